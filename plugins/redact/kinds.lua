-- What this app can find. Each kind has the source of its regular expression and a function that replaces what it finds in
-- a text. RE2 needs time in proportion to the text, whatever is in it; so do the functions here.

local settings = app.settings
local M = {}

local function simple(source)
  local regex = app.regex(source)
  return {
    source = source,
    apply = function(text, replacement)
      return (regex:gsub(text, function() return replacement end))
    end,
  }
end

-- Also as it stands in URLs, with %40.
M.email = simple([[[\w.%+'~\-\x{80}-\x{10FFFF}]+(?:@|%40)[A-Za-z0-9\-\x{80}-\x{10FFFF}]+(?:\.[A-Za-z0-9\-\x{80}-\x{10FFFF}]+)+]])

-- International, or as written in North America.
M.phone = simple([[\+\d(?:[ ().\-]{0,2}\d){7,14}\b|\(\d{3}\) ?\d{3}-\d{4}\b|\b\d{3}[-. ]\d{3}[-. ]\d{4}\b]])

-- The keys that services give out begin in a way of their own; JWTs begin with {" in base64.
local PREFIXES = table.concat({
  "gh[pousr]_", "github_pat_", "glpat-", "[srp]k_(?:live|test)_", "whsec_", "xox[a-z]-", "AIza", "sk-", "npm_", "SG\\.",
  "phx_", "ya29\\.",
}, "|")
local TOKEN = [[\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\beyJ[\w\-]{8,}\.[\w\-]{4,}(?:\.[\w\-]*)*|\b(?:]] .. PREFIXES .. [[)[\w.\-]{16,}]]
  .. [[|-----BEGIN [A-Z ]*PRIVATE KEY-----[\w+/=\s]*(?:-----END [A-Z ]*PRIVATE KEY-----)?]]
local BEARER = [[(\b[Bb]earer +)[\w.~+/\-]{16,}=*]]

local bearer_regex, token_regex = app.regex(BEARER), app.regex(TOKEN)
M.token = {
  source = BEARER .. "|" .. TOKEN,
  apply = function(text, replacement)
    text = bearer_regex:gsub(text, function(before) return before .. replacement end)
    return (token_regex:gsub(text, function() return replacement end))
  end,
}

-- By ISO 7812: the last digit makes the sum, in which every second digit counts twice, a multiple of ten.
local function passes_luhn(digits)
  local sum = 0
  for i = #digits, 1, -1 do
    local digit = digits:byte(i) - 48
    if (#digits - i) % 2 == 1 then
      digit = digit * 2
      if digit > 9 then digit = digit - 9 end
    end
    sum = sum + digit
  end
  return sum % 10 == 0
end

-- How the numbers of each network begin, and how long they are. Without this every tenth id would be a card.
local function is_card(digits)
  local size, first, two = #digits, digits:sub(1, 1), tonumber(digits:sub(1, 2))
  local known
  if first == "4" then
    known = size == 13 or size == 16 or size == 19
  elseif two == 34 or two == 37 then
    known = size == 15
  elseif two == 30 or two == 36 or two == 38 or two == 39 then
    known = size >= 14
  elseif two >= 22 and two <= 27 then
    known = size == 16
  elseif first == "5" or first == "6" or two == 35 then
    known = size >= 16
  end
  return known and passes_luhn(digits)
end

-- The groups in which people write a card's number.
local function is_grouped_as_card(groups, from)
  local a, b, c = #groups[from], #(groups[from + 1] or ""), #(groups[from + 2] or "")
  if a == 4 and b == 6 and (c == 4 or c == 5) then return 3 end
  if a ~= 4 or b ~= 4 or c ~= 4 or #(groups[from + 3] or "") ~= 4 then return nil end
  return #(groups[from + 4] or "") == 3 and 5 or 4
end

-- How many groups from this one on are a card, and its digits; nil when they are none.
local function card_at(groups, from)
  local size = #groups[from]
  if size >= 13 and size <= 19 and is_card(groups[from]) then return 1, groups[from] end
  local count = is_grouped_as_card(groups, from)
  for n = count or 0, (count or 0) - 1, -1 do
    if n < 3 then return nil end
    local digits = table.concat(groups, "", from, from + n - 1)
    if #digits >= 13 and is_card(digits) then return n, digits end
  end
  return nil
end

-- A run of digits in groups, which may hold cards among other numbers.
local function redact_run(run, replacement)
  local groups, gaps = {}, {}
  for digits, gap in run:gmatch("(%d+)([ -]?)") do
    groups[#groups + 1], gaps[#gaps + 1] = digits, gap
  end
  local out, at, found = {}, 1, false
  while at <= #groups do
    local count, digits = card_at(groups, at)
    if count then
      found = true
      out[#out + 1] = settings.card_last4 and replacement .. digits:sub(-4) or replacement
      at = at + count
    else
      out[#out + 1] = groups[at]
      at = at + 1
    end
    out[#out + 1] = gaps[at - 1]
  end
  return found and table.concat(out) or nil
end

local CARD = [[\b\d(?:[ \-]?\d){12,}\b]]
local card_regex = app.regex(CARD)
M.card = {
  source = CARD,
  apply = function(text, replacement)
    return (card_regex:gsub(text, function(run) return redact_run(run, replacement) end))
  end,
}

-- By ISO 13616: with the first four characters last and letters as 10 to 35, the remainder by 97 is 1.
local function passes_mod97(iban)
  local remainder = 0
  for character in (iban:sub(5) .. iban:sub(1, 4)):gmatch(".") do
    local value = tonumber(character, 36)
    remainder = (remainder * (value > 9 and 100 or 10) + value) % 97
  end
  return remainder == 1
end

local IBAN = [[\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b]]
local iban_regex = app.regex(IBAN)
M.iban = {
  source = IBAN,
  apply = function(text, replacement)
    return (iban_regex:gsub(text, function(found) return passes_mod97((found:gsub(" ", ""))) and replacement end))
  end,
}

-- An expression of the user's own.
function M.own(name, source)
  if app.regex(source):test("") then
    error("setting patterns: " .. name .. " matches the empty text, which is everywhere", 0)
  end
  return simple(source)
end

return M
