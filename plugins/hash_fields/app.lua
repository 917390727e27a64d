local M = {}

-- "a.b.c" → the names on the way, and the last one.
local function split(path)
  local way = {}
  for name in path:gmatch("[^.]+") do
    way[#way + 1] = name
  end
  return way, table.remove(way)
end

local settings = app.settings

local paths = {}
for _, field in ipairs(settings.fields) do
  local way, last = split(field)
  paths[#paths + 1] = { field = field, way = way, last = last }
end

-- The object that holds the field, or nil when there is none.
local function holder(event, path)
  local at = event
  for _, name in ipairs(path.way) do
    at = at[name]
    if type(at) ~= "table" then return nil end
  end
  return at
end

function M.transform(event, app)
  for _, path in ipairs(paths) do
    local object = holder(event, path)
    local value = object and object[path.last]
    if type(value) == "string" then
      if settings.lower then value = value:lower() end
      local hash = app.sha256(settings.salt .. value)
      if settings.suffix ~= "" then
        object[path.last] = nil
      end
      object[path.last .. settings.suffix] = hash
    elseif value ~= nil and value ~= app.null then
      -- Passing it on would let something unmasked out.
      error(path.field .. " is not a string but a " .. type(value), 0)
    end
  end
  return event
end

return M
