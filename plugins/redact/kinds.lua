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

-- What a digit adds to the sum of ISO 7812 when it counts twice, by its byte.
local TWICE = {}
for digit = 0, 9 do
  TWICE[48 + digit] = digit < 5 and 2 * digit or 2 * digit - 9
end

-- By ISO 7812: from the right every second digit counts twice, and the sum is a multiple of ten.
local function passes_luhn(digits)
  local bytes, sum = { digits:byte(1, -1) }, 0
  for i = #bytes, 1, -2 do sum = sum + bytes[i] - 48 end
  for i = #bytes - 1, 1, -2 do sum = sum + TWICE[bytes[i]] end
  return sum % 10 == 0
end

-- Whether a network's numbers begin so and are so long. Without this every tenth id would be a card.
local function is_known(digits, size)
  local two = tonumber(digits:sub(1, 2))
  if two >= 40 and two <= 49 then return size == 13 or size == 16 or size == 19 end
  if two == 34 or two == 37 then return size == 15 end
  if two == 30 or two == 36 or two == 38 or two == 39 then return size >= 14 end
  if two >= 22 and two <= 27 then return size == 16 end
  return (two >= 50 and two <= 69 or two == 35) and size >= 16
end

local function is_card(digits) return is_known(digits, #digits) and passes_luhn(digits) end

local function card_text(digits, replacement)
  return settings.card_last4 and replacement .. digits:sub(-4) or replacement
end

local function redact_number(number, replacement)
  local digits = number:gsub("[ -]", "")
  return is_card(digits) and card_text(digits, replacement)
end

-- Groups of four with one byte between them, where a card may begin at any: "1234 4111 1111 1111 1111". Four of them are a
-- card of sixteen digits, and the last four may have three more digits behind them.
local function redact_groups(run, replacement)
  local sums, count = {}, (#run + 1) // 5
  for k = 1, count do
    local a, b, c, d = run:byte(5 * k - 4, 5 * k - 1)
    sums[k] = TWICE[a] + b + TWICE[c] + d - 96
  end
  local out, copied, k = {}, 0, 1
  while k <= count - 3 do
    local from, stop = 5 * k - 4, 5 * k + 14
    local sum = sums[k] + sums[k + 1] + sums[k + 2] + sums[k + 3]
    local clean = k == count - 3 and stop < #run and redact_number(run:sub(from), replacement)
    if clean then
      stop = #run
    elseif sum % 10 == 0 and is_known(run:sub(from, from + 1), 16) then
      clean = card_text(run:sub(from, stop), replacement)
    end
    if clean then
      out[#out + 1] = run:sub(copied + 1, from - 1) .. clean
      copied, k = stop, k + 4
    else
      k = k + 1
    end
  end
  return copied > 0 and table.concat(out) .. run:sub(copied + 1)
end

local NUMBER = [[\b(?:\d{13,19}|3\d{3}[ -]\d{6}[ -]\d{4,5})\b]]
local GROUPS = [[\b\d{4}(?:[ -]\d{4}){3,}(?:[ -]\d{3})?\b]]
local number_regex, groups_regex = app.regex(NUMBER), app.regex(GROUPS)
M.card = {
  source = NUMBER .. "|" .. GROUPS,
  apply = function(text, replacement)
    text = number_regex:gsub(text, function(number) return redact_number(number, replacement) end)
    return (groups_regex:gsub(text, function(run) return redact_groups(run, replacement) end))
  end,
}

-- By ISO 13616: with the first four characters last and letters as 10 to 35, the remainder by 97 is 1.
local function passes_mod97(iban)
  local remainder = 0
  for _, byte in ipairs({ (iban:sub(5) .. iban:sub(1, 4)):byte(1, -1) }) do
    if byte < 65 then
      remainder = (remainder * 10 + byte - 48) % 97
    else
      remainder = (remainder * 100 + byte - 55) % 97
    end
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
