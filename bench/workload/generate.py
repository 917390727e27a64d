#!/usr/bin/env python3
"""Product events as test load, one JSON object per line; the same arguments give the same bytes.

  generate.py shop COUNT [SEED]   about 520 bytes each: a shop's own record, facts found by `map:`
  generate.py web  COUNT [SEED]   about 950 bytes each: what a web SDK sends
"""
import json
import random
import sys

BROWSER = ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
           "Chrome/126.0.0.0 Safari/537.36")
SHOP_NAMES = ("page_view", "search", "add_to_cart", "purchase", "signup", "login", "button_click", "heartbeat")
WEB_NAMES = ("$pageview", "$pageleave", "$autocapture", "$identify", "$feature_flag_called", "signed_up",
             "order_completed", "add_to_cart", "search", "video_played")
PLANS = ("free", "pro", "team", "enterprise")
COUNTRIES = ("BR", "DE", "FR", "GB", "IN", "JP", "PL", "US")
SYSTEMS = ("Windows", "Mac OS X", "Linux", "iOS", "Android")
BROWSERS = ("Chrome", "Firefox", "Safari", "Edge")


def hexadecimal(rng, digits):
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def random_uuid(rng):
    bits = rng.getrandbits(128)
    bits = bits & ~(0xF << 76) | 4 << 76       # version 4
    bits = bits & ~(0x3 << 62) | 2 << 62       # the RFC's variant
    digits = f"{bits:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def shop_event(index, rng):
    user = rng.randrange(200_000)
    moment = (1 + index % 28, index % 24, index % 60, 7 * index % 60, index % 1000)
    return {
        "event": rng.choice(SHOP_NAMES),
        "message_id": hexadecimal(rng, 32),
        "user_id": f"u_{user:06d}",
        "anonymous_id": hexadecimal(rng, 16),
        "email": f"user.{user}@example.com",
        "ts": "2026-08-%02dT%02d:%02d:%02d.%03dZ" % moment,
        "ip": f"10.{user % 256}.{user // 256 % 256}.{index % 256}",
        "properties": {
            "url": f"https://shop.example.com/p/{rng.randrange(1_000_000)}?ref=mail",
            "price": round(200 * rng.random(), 2),
            "qty": 1 + rng.randrange(8),
            "plan": rng.choice(PLANS),
            "is_bot": index % 50 == 0,
        },
        "context": {
            "ua": BROWSER,
            "country": rng.choice(COUNTRIES),
            "locale": "en-US",
            "app": {"name": "web", "version": f"4.{index % 9}.{index % 7}"},
        },
    }


def web_properties(index, user, rng):
    page = 1 + rng.randrange(9999)
    campaign = f"utm_source=google&utm_campaign=spring&gclid=abc{index}"
    return {
        "$os": rng.choice(SYSTEMS), "$os_version": "10.15.7", "$browser": rng.choice(BROWSERS),
        "$browser_version": 90 + rng.randrange(41), "$device_type": "Desktop",
        "$current_url": f"https://shop.example.com/products/{page}?{campaign}",
        "$host": "shop.example.com", "$pathname": f"/products/{page}",
        "$screen_width": 1920, "$screen_height": 1080, "$viewport_width": 1440, "$viewport_height": 900,
        "$lib": "web", "$lib_version": "1.205.0", "$insert_id": hexadecimal(rng, 16),
        "$time": 1763700000.123 + index, "distinct_id": f"user-{user}", "$device_id": random_uuid(rng),
        "$session_id": random_uuid(rng), "$referrer": "$direct", "$ip": f"10.{user % 256}.{user // 256}.7",
        "email": f"Person{user}@Example.com", "plan": rng.choice(PLANS), "price": round(100 * rng.random(), 2),
        "tags": ["a", "b"], "nested": {"a": 1, "b": {"c": "d"}},
    }


def web_event(index, rng):
    user = 1 + rng.randrange(100_000)
    return {
        "uuid": random_uuid(rng),
        "event": rng.choice(WEB_NAMES),
        "distinct_id": f"user-{user}",
        "properties": web_properties(index, user, rng),
        "timestamp": f"2026-11-21T10:{index // 60 % 60:02d}:{index % 60:02d}.123Z",
        "token": "phc_test",
        "$set": {"email": f"person{user}@example.com"},
    }


SHAPES = {"shop": shop_event, "web": web_event}


def main(arguments):
    if len(arguments) not in (2, 3) or arguments[0] not in SHAPES or not all(a.isdigit() for a in arguments[1:]):
        sys.exit(__doc__)
    make, count = SHAPES[arguments[0]], int(arguments[1])
    rng = random.Random(int(arguments[2]) if len(arguments) == 3 else 1)
    encode = json.JSONEncoder(separators=(",", ":")).encode
    for start in range(0, count, 1000):
        block = (encode(make(index, rng)) for index in range(start, min(start + 1000, count)))
        sys.stdout.write("".join(line + "\n" for line in block))


if __name__ == "__main__":
    main(sys.argv[1:])
