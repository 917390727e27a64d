local M = {}

local get, set = app.get, app.set
local overwrite = app.settings.overwrite

local fields = {}
for path, value in pairs(app.settings.fields) do
  get({}, path)  -- a path that is none is an error now, not at the first event
  fields[#fields + 1] = { path = path, value = value }
end

function M.transform(event)
  for _, field in ipairs(fields) do
    if (overwrite or get(event, field.path) == nil) and not set(event, field.path, field.value) then
      error("cannot set " .. field.path .. ": something on the way is no object", 0)
    end
  end
  return event
end

return M
