local M = {}

local settings = app.settings
local fields, zone, to = settings.fields, settings.zone, settings.to
local get, set = app.get, app.set

-- Unknown zones and formats, and paths that are none, are errors now, not at the first event.
app.time.parse("2026-01-01", zone)
local NUMERIC = { s = true, ms = true }
local formats = {}
for _, format in ipairs(settings.formats) do
  if type(format) ~= "string" then error("setting formats: expected texts, got " .. tostring(format), 0) end
  app.time.parse("", format, zone)
  formats[#formats + 1] = format
end

for _, field in ipairs(fields) do
  get({}, field)
end

-- Milliseconds, or nil.
local function read(value)
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" then return nil end
  if #formats == 0 then return (app.time.parse(value, zone)) end
  for _, format in ipairs(formats) do
    local ms = (kind == "string" or NUMERIC[format]) and app.time.parse(value, format, zone)
    if ms then return ms end
  end
  return nil
end

local function write(ms)
  if to == "ms" then return ms end
  if to == "s" then return ms // 1000 end
  return app.time.format(ms)
end

function M.transform(event)
  for _, field in ipairs(fields) do
    local value = get(event, field)
    if value ~= nil and value ~= app.null then
      local ms = read(value)
      if ms then
        set(event, field, write(ms))
      elseif settings.invalid == "remove" then
        set(event, field, nil)
      elseif settings.invalid == "error" then
        error(field .. " is no time in a known form: " .. tostring(value), 0)
      end
    end
  end
  return event
end

return M
