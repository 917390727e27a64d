local M = {}

local exact, prefixes = {}, {}
for _, name in ipairs(app.settings.names) do
  if type(name) == "string" and name:sub(-1) == "*" then
    prefixes[#prefixes + 1] = name:sub(1, -2)
  else
    exact[tostring(name)] = true
  end
end

local keep = app.settings.keep

local function listed(name)
  if exact[name] then return true end
  for _, prefix in ipairs(prefixes) do
    if name:sub(1, #prefix) == prefix then return true end
  end
  return false
end

function M.transform(event, app)
  if listed(app.facts().event or "") == keep then return event end
  return nil
end

return M
