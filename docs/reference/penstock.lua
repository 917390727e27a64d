---@meta
-- What Penstock apps find: event, app, facts. For lua-language-server; it is never run.
-- Printed by `penstock app reference --lua`. How to point an editor at it is in docs/writing-apps.md.

---What is known of an event without reading its body; times in milliseconds since 1970.
---@class Facts
---@field uuid string
---@field project string
---@field event string
---@field distinct_id? string
---@field person_id? string
---@field timestamp integer
---@field received_at integer
---@field source string

---The body of an event, to be read and assigned like a table; what nobody assigns keeps its bytes. JSON null is app.null.
---@class Event
---@field event? string
---@field distinct_id? string
---@field timestamp? any
---@field uuid? string
---@field properties? table<string, any>
---@field [string] any
local Event = {}

---A table of the event's facts.
---@return Facts
function Event:facts() end

---What an app is given besides the event; read-only.
---@class App
---@field settings table<string, any> The app's settings, as app.yaml declares them and `with:` gives them.
---@field null lightuserdata JSON null; assigning nil deletes.
app = {}

---Runs a file of the app's own folder once and gives what it returns: require("kinds") is kinds.lua beside app.lua.
---@param name string
---@return any
function require(name) end

---Writes a line to the program's log: app.log(message), or with a level before it: debug, info (the default), warning or error. Tables and parts of the event are shown as JSON; several messages are joined by a space. At most ten lines a second for each app; what is left out is counted.
---```lua
---app.log('warning', 'no e-mail in', event.properties) --> null
---```
---@param level_or_message any
---@param ... any
function app.log(level_or_message, ...) end

---The time in milliseconds since 1970, the same for all events of a batch. Not while the app is being loaded.
---```lua
---app.now() --> 1767225600000
---```
---@return integer
function app.now() end

---A new uuid, derived from the event's: a repeated run gives the same ones.
---```lua
---#app.uuid() --> 36
---```
---@return string
function app.uuid() end

---A table of the event's facts, as event:facts() gives it.
---```lua
---app.facts().distinct_id --> "ann"
---```
---@return Facts
function app.facts() end

---The table, or an empty one, marked as a JSON array: app.array{} is stored as [], where {} is stored as an object.
---```lua
---{app.array{}, {}} --> [[],{}]
---```
---@param list? table
---@return table
function app.array(list) end

---What lies at a dotted path below the event, a part of it, or a table; nil when anything on the way is missing, null or no container. A name of digits is also the place of an element: items.1.price.
---```lua
---{app.get(event, 'properties.plan'), app.get(event, 'properties.plan.name') == nil} --> ["pro",true]
---```
---@param container table
---@param path string
---@return any
function app.get(container, path) end

---Puts a value at a dotted path, makes the objects that are missing on the way, and says true. False, and nothing is changed, when something else than an object is in the way; a name of digits is also the place of an element that is there. nil removes.
---```lua
---{app.set(event, 'properties.address.city', 'Oslo'), app.set(event, 'event.name', 'x'), event.properties.address} --> [true,false,{"city":"Oslo"}]
---```
---@param container table
---@param path string
---@param value any
---@return boolean
function app.set(container, path, value) end

---Tables of their own with what a part of the event, or a table, holds now: nothing that happens to one is seen in the other. Arrays are marked as app.array does, numbers keep their digits; other values are returned as they are. What has no JSON (a function, a cycle, a table with holes) is an error that names it.
---```lua
---{before = app.copy(event.properties).plan, numbers = app.copy({1.5, {}})} --> {"before":"pro","numbers":[1.5,{}]}
---```
---@param value any
---@return any
function app.copy(value) end

---@class App.json
app.json = {}

---The value of a JSON text: objects and arrays as tables of their own, arrays marked as app.array does, null as app.null, numbers as in an event (integers of 64 bits exact, what no double holds as its text; put into the event they keep their digits). Of a key that comes twice the last counts. nil and a message with the byte when it is no JSON, larger than 1 MiB or nested deeper than 128 levels.
---```lua
---app.json.decode('{"id": 9007199254740993, "price": 1.0, "tags": [], "who": null}') --> {"id":9007199254740993,"price":1.0,"tags":[],"who":null}
---```
---@param text string
---@return any
---@return string?
function app.json.decode(text) end

---The JSON text of a value: a part of the event as it stands, a table with its keys in byte order, nil and app.null as null, 1.0 as 1.0. NaN, infinity, functions, cycles, tables with holes or mixed keys are errors that name the field.
---```lua
---app.json.encode({b = 1.0, a = {event.properties.plan, app.null}, none = app.array{}}) --> "{\"a\":[\"pro\",null],\"b\":1.0,\"none\":[]}"
---```
---@param value any
---@return string
function app.json.encode(value) end

---The SHA-256 of a string, as 64 hexadecimal digits.
---```lua
---app.sha256('abc'):sub(1, 16) --> "ba7816bf8f01cfea"
---```
---@param text string
---@return string
function app.sha256(text) end

---The HMAC of a text under a key, in hexadecimal digits; by SHA-256 unless another algorithm is named.
---```lua
---app.hmac('key', 'The quick brown fox jumps over the lazy dog', 'sha1') --> "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9"
---```
---@param key string
---@param text string
---@param algorithm? "sha256"|"sha1"|"sha384"|"sha512"
---@return string
function app.hmac(key, text, algorithm) end

---@class App.base64
app.base64 = {}

---Base64 of any bytes: 'standard' (the default) with '+', '/' and padding; 'url' with '-', '_' and without padding.
---```lua
---{app.base64.encode('any bytes?'), app.base64.encode('any bytes?', 'url')} --> ["YW55IGJ5dGVzPw==","YW55IGJ5dGVzPw"]
---```
---@param bytes string
---@param alphabet? "standard"|"url"
---@return string
function app.base64.encode(bytes, alphabet) end

---The bytes of a base64 text, with or without padding; nil and a message when it is none, line breaks included.
---```lua
---app.base64.decode('YW55IGJ5dGVzPw') --> "any bytes?"
---```
---@param text string
---@param alphabet? "standard"|"url"
---@return string?
---@return string?
function app.base64.decode(text, alphabet) end

---@class App.hex
app.hex = {}

---Two lower-case hexadecimal digits for each byte.
---```lua
---app.hex.encode('Pen\0') --> "50656e00"
---```
---@param bytes string
---@return string
function app.hex.encode(bytes) end

---The bytes of hexadecimal digits, of either case; nil and a message when it holds anything else.
---```lua
---app.hex.decode('50656E') --> "Pen"
---```
---@param text string
---@return string?
---@return string?
function app.hex.decode(text) end

---@class App.url
app.url = {}

---The parts of a URL, or nil and a message. scheme and host are in lower case, user, password and host decoded, an IPv6 address without brackets; path, query and fragment stand as they are. params is the query decoded (+ is a space): a name that comes several times has a list, one without '=' has ""; pairs gives them in order. Relative URLs have no scheme and no host. Bytes that browsers send but RFC 3986 forbids may stand in path, query and fragment; UTF-8 also in the host.
---```lua
---app.url.parse('https://Shop.example:8443/a%20b?q=caf%C3%A9+au+lait&tag=x&tag=y#top').params --> {"q":"café au lait","tag":["x","y"]}
---```
---@param text string
---@return {scheme: string?, user: string?, password: string?, host: string?, port: integer?, path: string, query: string?, fragment: string?, params: table<string, string|string[]>}?
---@return string?
function app.url.parse(text) end

---The URL of the parts that app.url.parse gives. params counts, and query only where there is no params; parameters not touched keep their order and their bytes, new ones come last. What would end a part too early is percent-coded. An unknown part, and parts that make no URL, are errors.
---```lua
---(function() local url = app.url.parse('https://shop.example/?b=%7E1&utm_source=x&a') url.params.utm_source = nil url.params.c = 'd e' return app.url.build(url) end)() --> "https://shop.example/?b=%7E1&a&c=d%20e"
---```
---@param parts table
---@return string
function app.url.build(parts) end

---The parameters of a query, with or without its '?', as params of app.url.parse.
---```lua
---app.url.parse_query('a=1&b=x%26y&b=') --> {"a":"1","b":["x&y",""]}
---```
---@param text string
---@return table<string, string|string[]>
function app.url.parse_query(text) end

---The query of a table of strings, numbers, booleans and lists of these, names in byte order; what app.url.parse_query gave keeps its order, and untouched parameters their bytes.
---```lua
---app.url.build_query({b = {'x&y', 2}, a = true}) --> "a=true&b=x%26y&b=2"
---```
---@param parameters table
---@return string
function app.url.build_query(parameters) end

---Percent-codes every byte but letters, digits and -._~.
---```lua
---app.url.encode('a b/ü') --> "a%20b%2F%C3%BC"
---```
---@param text string
---@return string
function app.url.encode(text) end

---Undoes percent-coding. A % that begins no escape stays, and so does +, which is a space in queries only.
---```lua
---app.url.decode('a%20b+%2F%C3%BC 100%') --> "a b+/ü 100%"
---```
---@param text string
---@return string
function app.url.decode(text) end

---What a user agent says of its sender; fields that it does not tell are nil. By the rules of uap-core 0.16.0, of August 2022 (Apache-2.0): browsers and devices that came later are named by what they resemble. Crawlers have the device 'Spider'. device_type is best effort. At most 1024 bytes are looked at. Answers are kept: user agents come again.
---```lua
---app.user_agent('Mozilla/5.0 (iPhone; CPU iPhone OS 16_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.5 Mobile/15E148 Safari/604.1') --> {"brand":"Apple","browser":"Mobile Safari","browser_version":"16.5","device":"iPhone","device_type":"mobile","model":"iPhone","os":"iOS","os_version":"16.5"}
---```
---@param text string
---@return {browser: string?, browser_version: string?, os: string?, os_version: string?, device: string?, brand: string?, model: string?, device_type: ("desktop"|"mobile"|"tablet"|"tv"|"console"|"wearable"|"bot")?}
function app.user_agent(text) end

---A regular expression of RE2's syntax, whose time is linear in the text whatever the pattern. Compiled once for each app: asking again is cheap, and `local re = app.regex(…)` at the top of app.lua is fine. Flags: i (case does not matter), m (^ and $ at every line), s (. matches line breaks), U (ungreedy). Write patterns in long brackets, [[\d+]], so that Lua leaves the backslashes alone. An invalid pattern is an error with RE2's reason; at most 8 KiB and 50 groups. Each search costs instructions for the pattern's size times the text's.
---```lua
---app.regex([[^p(r)o$]], 'i'):test('PRO') --> true
---```
---@param pattern string
---@param flags? string
---@return Regex
function app.regex(pattern, flags) end

---@class App.time
app.time = {}

---Milliseconds since 1970, or nil and a message. Without a format it reads ISO 8601, RFC 2822, and numbers: below 1e11 seconds, from there milliseconds. Formats: 'iso', 'rfc2822', 's', 'ms', or a pattern as strftime has them, of %Y %m %d %H %M %S %L (milliseconds) %y %e %k %I %p %j %a %A %b %B %z %:z %s %F %T %D %R %%. A zone ('Europe/Berlin', '+02:00') is for texts without offset, which otherwise are UTC: where clocks show a time twice it is the first, where they jump over it, as if they had not jumped yet. Unknown zones and directives are errors.
---```lua
---{app.time.parse('2026-08-01T10:00:00Z'), app.time.parse('Sat, 1 Aug 2026 10:00:00 GMT'), app.time.parse(1785578400), app.time.parse('2026-08-01 12:00:00', 'Europe/Berlin'), app.time.parse('8/1/2026 10:00 AM', '%m/%d/%Y %I:%M %p')} --> [1785578400000,1785578400000,1785578400000,1785578400000,1785578400000]
---```
---@param time string|number
---@param format_or_zone? string
---@param zone? string
---@return integer?
---@return string?
function app.time.parse(time, format_or_zone, zone) end

---The text of a time: 'iso' (the default), 'rfc2822', 'date', 'epoch' (seconds), or a pattern as app.time.parse has them; in UTC or as clocks in the zone show it.
---```lua
---{app.time.format(1785578400123), app.time.format(1785578400123, 'America/New_York'), app.time.format(1785578400123, 'rfc2822'), app.time.format(1785578400123, '%A, %e %B %H:%M', 'Asia/Tokyo')} --> ["2026-08-01T10:00:00.123Z","2026-08-01T06:00:00.123-04:00","Sat, 01 Aug 2026 10:00:00 +0000","Saturday,  1 August 19:00"]
---```
---@param milliseconds integer
---@param format_or_zone? string
---@param zone? string
---@return string
function app.time.format(milliseconds, format_or_zone, zone) end

---What calendar and clock show at a time, in UTC or in a zone. weekday is 1 on Mondays, offset the seconds from UTC.
---```lua
---app.time.parts(1785578400123, 'Asia/Kolkata') --> {"day":1,"hour":15,"millisecond":123,"minute":30,"month":8,"offset":19800,"second":0,"weekday":6,"year":2026,"yearday":213}
---```
---@param milliseconds integer
---@param zone? string
---@return {year: integer, month: integer, day: integer, hour: integer, minute: integer, second: integer, millisecond: integer, weekday: integer, yearday: integer, offset: integer}
function app.time.parts(milliseconds, zone) end

---@class App.state
app.state = {}

---What was stored under the key for the event's distinct id; nil when there is nothing or it has expired. Each app has keys of its own, for each distinct id of a project: the one that the event had when it came in. Sources that push (http, stdin) share them; each source that is read in place (file) has keys of its own. What is stored travels in the same commit as the event, so it happens exactly once: an event that fails changes nothing. Needs `permissions: { state: true }` in app.yaml.
---```lua
---app.state.get('visits') or 0 --> 0
---```
---@param key string
---@return any
function app.state.get(key) end

---Stores a value: anything that has JSON, at most 64 KiB of it; nil deletes. It expires `ttl` seconds after app.now(), or never. A key has 1 to 200 bytes; an event may change 100 keys.
---```lua
---app.state.set('last', {plan = event.properties.plan, at = app.now()}, 3600) --> null
---```
---@param key string
---@param value any
---@param ttl? number
function app.state.set(key, value, ttl) end

---Adds to an integer, 1 when `by` is not given, and returns the sum; nothing stored counts as 0. With a ttl it expires that many seconds from now, without one as it would have. An error when something else is stored or the sum needs more than 64 bits.
---```lua
---app.state.incr('visits') --> 1
---```
---@param key string
---@param by? integer
---@param ttl? number
---@return integer
function app.state.incr(key, by, ttl) end

---Forgets what is stored under the key.
---```lua
---app.state.delete('visits') --> null
---```
---@param key string
function app.state.delete(key) end

---@class App.metrics
app.metrics = {}

---Adds to a counter, 1 when no amount is given; published as penstock_app_<name>_total with the label app, at the end of the batch. Names are a-z, 0-9 and _, at most 64 characters. An app may have 20 metrics, a metric 5 labels and 100 combinations of their values, each of at most 64 bytes: beyond that they become 'other', and penstock_app_label_overflows_total counts it. What was counted stays counted when the event fails.
---```lua
---app.metrics.counter('signups', 1, {plan = event.properties.plan}) --> null
---```
---@param name string
---@param amount? number
---@param labels? table<string, string|number|boolean>
function app.metrics.counter(name, amount, labels) end

---Sets a gauge, published as penstock_app_<name>: the last value that any worker set. Otherwise as app.metrics.counter.
---```lua
---app.metrics.gauge('last_seen', app.now()) --> null
---```
---@param name string
---@param value number
---@param labels? table<string, string|number|boolean>
function app.metrics.gauge(name, value, labels) end

---@class Regex
local Regex = {}

---Whether it matches anywhere in the text.
---```lua
---app.regex([[@example\.com$]]):test(event.properties.email) --> true
---```
---@param text string
---@return boolean
function Regex:test(text) end

---The first match from the byte `init` on, or nil: [0] is all of it, [1] and so on are the groups, and named groups have their names too, (?P<name>…). A group that took no part is nil.
---```lua
---app.regex([[(?P<user>\w+)@(\w+)]]):match(event.properties.email).user --> "ann"
---```
---@param text string
---@param init? integer
---@return table?
function Regex:match(text, init) end

---Where the first match begins and ends, then its groups, as string.find gives them; or nil.
---```lua
---{app.regex([[@(\w+)]]):find(event.properties.email)} --> [4,11,"example"]
---```
---@param text string
---@param init? integer
---@return integer?
---@return integer?
---@return any ...
function Regex:find(text, init) end

---For a loop over all matches: the groups of each, or all of it when there are none.
---```lua
---(function() local all = {} for word in app.regex([[\w+]]):gmatch('a bc') do all[#all + 1] = word end return all end)() --> ["a","bc"]
---```
---@param text string
---@return fun(): ...
function Regex:gmatch(text) end

---The text with all matches replaced, or the first n, and how many: by a string in which %0 is the match, %1 to %9 are groups and %% is a percent sign; by what a function says that gets the groups, or the match when there are none; by the table's value for the first of these. nil or false keeps the match.
---```lua
---{app.regex([[(\w)\w*@]]):gsub(event.properties.email, '%1***@')} --> ["a***@example.com",1]
---```
---@param text string
---@param replacement string|function|table
---@param n? integer
---@return string
---@return integer
function Regex:gsub(text, replacement, n) end
