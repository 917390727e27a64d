local M = {}

-- Without these an event is none.
local ALWAYS = { "event", "distinct_id", "timestamp", "uuid" }

-- "utm_*" as a Lua pattern; a name without a star stays as it is.
local function compile(name)
  if not name:find("*", 1, true) then return { exact = name } end
  return { pattern = "^" .. name:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$" }
end

local function fits(name, key)
  if name.exact then return name.exact == key end
  return key:find(name.pattern) ~= nil
end

local paths = {}
for _, list in ipairs({ ALWAYS, app.settings.fields }) do
  for _, path in ipairs(list) do
    local names = {}
    for name in tostring(path):gmatch("[^.]+") do
      names[#names + 1] = compile(name)
    end
    paths[#paths + 1] = names
  end
end

-- Where a walk stands: so deep, with these paths still possible. What a key leads to is found out once and remembered;
-- events have the same keys again and again.
local WHOLE = "whole"
local REMEMBERED_MAX, REMEMBERED_BYTES_MAX = 10000, 100

local start, remembered
local function begin_anew()
  start, remembered = { depth = 0, paths = paths, below = {} }, 0
end
begin_anew()

-- WHOLE when all below the key is kept, false when nothing is, or where the walk stands then.
local function find_step(place, key)
  local depth, rest = place.depth + 1, {}
  for _, names in ipairs(place.paths) do
    if fits(names[depth], key) then
      if depth == #names then return WHOLE end
      rest[#rest + 1] = names
    end
  end
  return #rest > 0 and { depth = depth, paths = rest, below = {} }
end

local function step(place, key)
  local found = find_step(place, key)
  if #key <= REMEMBERED_BYTES_MAX then
    place.below[key] = found
    remembered = remembered + 1
  end
  return found
end

-- Elements of arrays stand where their array stands.
local function prune(container, place)
  local in_array = #container > 0 and place
  local known = place.below
  for key, value in pairs(container) do
    local below = in_array or known[key]
    if below == nil then below = step(place, key) end
    if not below or (below ~= WHOLE and type(value) ~= "table") then
      container[key] = nil
    elseif below ~= WHOLE then
      prune(value, below)
    end
  end
end

function M.transform(event)
  if remembered > REMEMBERED_MAX then begin_anew() end
  prune(event, start)
  return event
end

return M
