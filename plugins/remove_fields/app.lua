local M = {}

local function compile(name)
  if not name:find("*", 1, true) then return { exact = name } end
  return { pattern = "^" .. name:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$" }
end

local function fits(name, key)
  if name.exact then return name.exact == key end
  return key:find(name.pattern) ~= nil
end

-- Where a walk stands: so deep, with these paths still possible. `names` are the keys worth looking at, nil when a star
-- asks for all of them.
local function place_for(depth, paths)
  local names, seen = {}, {}
  for _, path in ipairs(paths) do
    local name = path[depth + 1]
    if name.pattern then return { depth = depth, paths = paths, below = {} } end
    if not seen[name.exact] then names[#names + 1] = name.exact end
    seen[name.exact] = true
  end
  return { depth = depth, paths = paths, below = {}, names = names }
end

local paths = {}
for _, path in ipairs(app.settings.fields) do
  local names = {}
  for name in tostring(path):gmatch("[^.]+") do
    names[#names + 1] = compile(name)
  end
  paths[#paths + 1] = #names > 0 and names or nil
end

local WHOLE = "whole"

-- WHOLE when a path ends at the key, false when none leads there, or where the walk stands then.
local function find_step(place, key)
  local depth, rest = place.depth + 1, {}
  for _, names in ipairs(place.paths) do
    if fits(names[depth], key) then
      if depth == #names then return WHOLE end
      rest[#rest + 1] = names
    end
  end
  return #rest > 0 and place_for(depth, rest)
end

-- What a key leads to is found out once; events have the same keys again and again.
local REMEMBERED_MAX, REMEMBERED_BYTES_MAX = 10000, 100

local start, remembered
local function begin_anew()
  start, remembered = place_for(0, paths), 0
end
begin_anew()

local function step(place, key)
  local found = find_step(place, key)
  if #key <= REMEMBERED_BYTES_MAX then
    place.below[key] = found
    remembered = remembered + 1
  end
  return found
end

local remove

local function remove_at(object, key, value, below)
  if below == WHOLE then
    object[key] = nil
  elseif type(value) == "table" then
    remove(value, below)
  end
end

-- Elements of arrays stand where their array stands.
function remove(container, place)
  local known = place.below
  if #container > 0 then
    for _, element in ipairs(container) do
      if type(element) == "table" then remove(element, place) end
    end
  elseif place.names then
    for _, name in ipairs(place.names) do
      local value = container[name]
      if value ~= nil then remove_at(container, name, value, known[name] or step(place, name)) end
    end
  else
    for key, value in pairs(container) do
      local below = known[key]
      if below == nil then below = step(place, key) end
      if below then remove_at(container, key, value, below) end
    end
  end
end

function M.transform(event)
  if remembered > REMEMBERED_MAX then begin_anew() end
  remove(event, start)
  return event
end

return M
