local M = {}

local get, set = app.get, app.set
local overwrite = app.settings.overwrite

local moves = {}
for from, to in pairs(app.settings.fields) do
  get({}, from)  -- a path that is none is an error now, not at the first event
  get({}, to)
  if from ~= to then moves[#moves + 1] = { from = from, to = to } end
end

function M.transform(event)
  for _, move in ipairs(moves) do
    local value = get(event, move.from)
    if value ~= nil and (overwrite or get(event, move.to) == nil) then
      if not set(event, move.to, value) then
        error("cannot move to " .. move.to .. ": something on the way is no object", 0)
      end
      set(event, move.from, nil)
    end
  end
  return event
end

return M
