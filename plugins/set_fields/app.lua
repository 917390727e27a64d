local M = {}

local function split(path)
  local way = {}
  for name in path:gmatch("[^.]+") do
    way[#way + 1] = name
  end
  return way, table.remove(way)
end

local overwrite = app.settings.overwrite

local sets = {}
for path, value in pairs(app.settings.fields) do
  local set = { path = path, value = value }
  set.way, set.last = split(path)
  sets[#sets + 1] = set
end

-- The object that holds the field; missing ones on the way are made.
local function make_way(event, way)
  local at = event
  for _, name in ipairs(way) do
    if at[name] == nil then at[name] = {} end
    at = at[name]
    if type(at) ~= "table" then return nil end
  end
  return at
end

function M.transform(event)
  for _, set in ipairs(sets) do
    local object = make_way(event, set.way)
    if not object then
      error("cannot set " .. set.path .. ": something on the way is no object", 0)
    end
    if overwrite or object[set.last] == nil then
      object[set.last] = set.value
    end
  end
  return event
end

return M
