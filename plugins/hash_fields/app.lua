local M = {}

local get, set = app.get, app.set
local settings = app.settings
local salt, lower = settings.salt, settings.lower

local fields = {}
for _, path in ipairs(settings.fields) do
  local hashed = path .. settings.suffix
  get({}, path)  -- a path that is none is an error now, not at the first event
  get({}, hashed)
  fields[#fields + 1] = { path = path, hashed = hashed }
end

function M.transform(event, app)
  for _, field in ipairs(fields) do
    local value = get(event, field.path)
    if type(value) == "string" then
      if lower then value = value:lower() end
      if field.hashed ~= field.path then set(event, field.path, nil) end
      set(event, field.hashed, app.sha256(salt .. value))
    elseif value ~= nil and value ~= app.null then
      -- Passing it on would let something unmasked out.
      error(field.path .. " is not a string but a " .. type(value), 0)
    end
  end
  return event
end

return M
