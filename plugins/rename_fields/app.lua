local M = {}

local function split(path)
  local way = {}
  for name in path:gmatch("[^.]+") do
    way[#way + 1] = name
  end
  return way, table.remove(way)
end

local overwrite = app.settings.overwrite

local moves = {}
for from, to in pairs(app.settings.fields) do
  local move = { to = to }
  move.from_way, move.from_last = split(from)
  move.to_way, move.to_last = split(to)
  moves[#moves + 1] = move
end

local function follow(event, way)
  local at = event
  for _, name in ipairs(way) do
    at = at[name]
    if type(at) ~= "table" then return nil end
  end
  return at
end

-- The same, making the objects that are missing; nil when something else is in the way.
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
  for _, move in ipairs(moves) do
    local from = follow(event, move.from_way)
    local value = from and from[move.from_last]
    if value ~= nil then
      local to = make_way(event, move.to_way)
      if not to then
        error("cannot move to " .. move.to .. ": something on the way is no object", 0)
      end
      if overwrite or to[move.to_last] == nil then
        to[move.to_last] = value
        if not (from == to and move.from_last == move.to_last) then from[move.from_last] = nil end
      end
    end
  end
  return event
end

return M
