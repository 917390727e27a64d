#include "pipeline/scripting/library/device_type.h"

#include <algorithm>
#include <cctype>
#include <initializer_list>

namespace penstock::scripting {
namespace {

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  return std::ranges::any_of(words, [&](std::string_view word) {
    return std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
  });
}

bool is_any(std::string_view text, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, text) != names.end();
}

bool is_desktop(std::string_view os) {
  return os.starts_with("Windows")
             ? !is_any(os, {"Windows Phone", "Windows Mobile", "Windows CE", "Windows RT"})
             : is_any(os, {"Mac OS X", "Mac OS",    "Linux",   "Ubuntu",   "Kubuntu",   "Debian",     "Fedora",
                           "Red Hat",  "Chrome OS", "FreeBSD", "OpenBSD",  "NetBSD",    "Solaris",    "SUSE",
                           "Gentoo",   "CentOS",    "Mageia",  "Mandriva", "Slackware", "Linux Mint", "Arch Linux"});
}

}  // namespace

std::string_view device_type(const UserAgent& agent, std::string_view text) {
  if (agent.device == "Spider" || has_any(agent.browser, {"bot", "spider", "crawler"})) return "bot";
  if (has_any(text, {"playstation", "xbox", "nintendo"})) return "console";
  if (is_any(agent.os, {"tvOS", "ATV OS X", "Chromecast", "GoogleTV", "WebTV", "Google TV", "Fire OS 5 TV"}) ||
      has_any(agent.device, {"appletv", "apple tv", "chromecast"}) ||
      has_any(text, {"smart-tv", "smarttv", "smart tv", "hbbtv", "netcast", "googletv", "google tv", "appletv", "apple tv",
                     "bravia", "android tv", "roku", "aftt", "aftb", "web0s", "tizen; tv", "crkey", "viera"}))
    return "tv";
  if (is_any(agent.os, {"WatchOS", "watchOS", "Wear OS"}) || has_any(agent.device, {"watch"})) return "wearable";
  if (has_any(agent.device, {"ipad", "kindle", "tablet", "playbook"}) || has_any(text, {"ipad", "tablet"})) return "tablet";
  if (agent.os == "iOS" || has_any(text, {"iphone", "ipod"})) return "mobile";
  // Android's own rule: phones say Mobile, tablets do not.
  if (agent.os == "Android") return has_any(text, {"mobi", "dalvik", "okhttp"}) ? "mobile" : "tablet";
  if (is_any(agent.os, {"Windows Phone", "Windows Mobile", "Windows CE", "BlackBerry OS", "Symbian OS", "Firefox OS",
                        "KaiOS", "Bada", "webOS", "Maemo", "MeeGo", "Tizen"}) ||
      has_any(text, {"mobile", "mobi;", "midp", "j2me", "opera mini", "symbian", "blackberry"}))
    return "mobile";
  if (is_desktop(agent.os)) return "desktop";
  return {};
}

}  // namespace penstock::scripting
