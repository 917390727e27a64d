local M = {}

local settings = app.settings
local zone, to = settings.zone, settings.to

-- Unknown zones and formats are errors now, not at the first event.
app.time.parse("2026-01-01", zone)
local NUMERIC = { s = true, ms = true }
local formats = {}
for _, format in ipairs(settings.formats) do
  if type(format) ~= "string" then error("setting formats: expected texts, got " .. tostring(format), 0) end
  app.time.parse("", format, zone)
  formats[#formats + 1] = format
end

local paths = {}
for _, field in ipairs(settings.fields) do
  local way = {}
  for name in field:gmatch("[^.]+") do
    way[#way + 1] = name
  end
  paths[#paths + 1] = { field = field, way = way, last = table.remove(way) }
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
  for _, path in ipairs(paths) do
    local holder = event
    for _, name in ipairs(path.way) do
      holder = holder[name]
      if type(holder) ~= "table" then
        holder = nil
        break
      end
    end
    local value = holder and holder[path.last]
    if value ~= nil and value ~= app.null then
      local ms = read(value)
      if ms then
        holder[path.last] = write(ms)
      elseif settings.invalid == "remove" then
        holder[path.last] = nil
      elseif settings.invalid == "error" then
        error(path.field .. " is no time in a known form: " .. tostring(value), 0)
      end
    end
  end
  return event
end

return M
