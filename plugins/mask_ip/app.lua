local M = {}

local settings = app.settings

local function check_bits(name, most)
  local bits = settings[name]
  if bits < 0 or bits > most then
    error("setting " .. name .. ": expected 0 to " .. most .. ", got " .. bits, 0)
  end
  return bits
end

local v4_mask = 0xFFFFFFFF & ~(0xFFFFFFFF >> check_bits("ipv4_bits", 32))

-- One mask for each of the eight groups of 16 bits.
local v6_masks = {}
local v6_bits = check_bits("ipv6_bits", 128)
for group = 1, 8 do
  local bits = math.max(0, math.min(16, v6_bits - 16 * (group - 1)))
  v6_masks[group] = 0xFFFF & ~(0xFFFF >> bits)
end

-- A path that is none is an error now, not at the first event.
local get, set, fields = app.get, app.set, settings.fields
for _, field in ipairs(fields) do
  get({}, field)
end

-- The address as one number, or nil. "010" could mean 8 or 10, so a leading zero makes it none.
local function read_v4(text)
  local number = 0
  local a, b, c, d = text:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
  if not a then return nil end
  for _, digits in ipairs({ a, b, c, d }) do
    local part = tonumber(digits)
    if part > 255 or (#digits > 1 and digits:byte() == 48) then return nil end
    number = number << 8 | part
  end
  return number
end

local function write_v4(number)
  return (number >> 24) .. "." .. (number >> 16 & 255) .. "." .. (number >> 8 & 255) .. "." .. (number & 255)
end

-- The groups between colons, appended to `groups`; nil when one is none.
local function read_groups(text, groups)
  if text == "" then return groups end
  for digits in (text .. ":"):gmatch("([^:]*):") do
    if #digits > 4 or not digits:find("^%x+$") then return nil end
    groups[#groups + 1] = tonumber(digits, 16)
  end
  return groups
end

-- The address as eight groups, and whether it is an IPv4 address in the clothes of IPv6; or nil.
local function read_v6(text)
  text = text:gsub("%%.*$", "")
  local head, tail = text:match("^(.*:)([^:]*%.[^:]*)$")
  if head then
    local number = read_v4(tail)
    if not number then return nil end
    text = string.format("%s%x:%x", head, number >> 16, number & 0xFFFF)
  end
  local first, last = text:match("^(.-)::(.*)$")
  local groups = read_groups(first or text, {})
  if not groups then return nil end
  if first then
    local rest = read_groups(last, {})
    if not rest or #groups + #rest > 7 then return nil end
    for _ = #groups + #rest, 7 do
      groups[#groups + 1] = 0
    end
    table.move(rest, 1, #rest, #groups + 1, groups)
  end
  if #groups ~= 8 then return nil end
  return groups, groups[1] | groups[2] | groups[3] | groups[4] | groups[5] == 0 and groups[6] == 0xFFFF
end

-- The usual form, RFC 5952: the longest run of two or more zeros is "::".
local function write_v6(groups)
  local best, best_size, at = nil, 1, 1
  while at <= 8 do
    local stop = at
    while groups[stop] == 0 do stop = stop + 1 end
    if stop - at > best_size then best, best_size = at, stop - at end
    at = stop + 1
  end
  local texts = {}
  for i = 1, 8 do
    texts[i] = string.format("%x", groups[i])
  end
  if not best then return table.concat(texts, ":") end
  return table.concat(texts, ":", 1, best - 1) .. "::" .. table.concat(texts, ":", best + best_size, 8)
end

-- The masked address, or nil when the text is none.
local function mask(text)
  local number = read_v4(text)
  if number then return write_v4(number & v4_mask) end
  if not text:find(":", 1, true) then return nil end
  local groups, is_v4 = read_v6(text)
  if not groups then return nil end
  if is_v4 then return "::ffff:" .. write_v4((groups[7] << 16 | groups[8]) & v4_mask) end
  for i = 1, 8 do
    groups[i] = groups[i] & v6_masks[i]
  end
  return write_v6(groups)
end

-- No address is longer, with its zone.
local ADDRESS_BYTES_MAX = 80

-- What a value becomes, nil when it goes. Lists are changed where they are.
local function masked(value, field)
  if value == nil or value == app.null or value == "" then return value end
  if type(value) == "table" and (#value > 0 or next(value) == nil) then
    for i, element in ipairs(value) do
      local left = masked(element, field)
      if left ~= element then value[i] = left end
    end
    return value
  end
  local address = type(value) == "string" and #value <= ADDRESS_BYTES_MAX and mask(value)
  if address then return address end
  if settings.invalid == "keep" then return value end
  if settings.invalid == "remove" then return nil end
  -- Without the value, which may be what must not leave.
  error(field .. " is no IP address but a " .. type(value), 0)
end

function M.transform(event)
  for _, field in ipairs(fields) do
    local value = get(event, field)
    local left = masked(value, field)
    if left ~= value then set(event, field, left) end
  end
  return event
end

return M
