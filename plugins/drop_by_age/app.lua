local M = {}

local settings = app.settings

local UNITS = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000, w = 604800000 }

-- "7d", "1h30m" in milliseconds; nil when there is no such limit.
local function read_duration(name)
  local text = settings[name]
  if text == "" then return nil end
  local sum, stop = 0, 1
  for from, number, unit, to in text:gmatch("()(%d+)(%a+)()") do
    if from ~= stop or not UNITS[unit] then break end
    sum, stop = sum + tonumber(number) * UNITS[unit], to
  end
  if stop ~= #text + 1 then
    error("setting " .. name .. ": expected a duration such as 12h or 7d (ms, s, m, h, d, w), got " .. text, 0)
  end
  return sum
end

local older_than, ahead = read_duration("older_than"), read_duration("ahead")
if not older_than and not ahead then
  error("drop_by_age does nothing without older_than or ahead: set one of them", 0)
end

-- A path that is none is an error now, not at the first event.
local old_field, ahead_field = settings.old_field, settings.ahead_field
app.get({}, old_field)
app.get({}, ahead_field)

function M.transform(event, app)
  local time, now = app.facts().timestamp, app.now()
  local is_old = older_than and time < now - older_than
  if not is_old and not (ahead and time > now + ahead) then return event end
  if settings.instead == "drop" then return nil end
  if settings.instead == "mark" then
    local field = is_old and old_field or ahead_field
    if not app.set(event, field, true) then error("cannot set " .. field .. ": something on the way is no object", 0) end
  else
    event.timestamp = app.time.format(is_old and now - older_than or now + ahead)
  end
  return event
end

return M
