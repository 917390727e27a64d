#include "pipeline/scripting/check/lua_file_check.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include <fmt/format.h>

#include "pipeline/config/struct_reader.h"
#include "pipeline/scripting/check/lua_meaning.h"

namespace penstock::scripting {
namespace {

using How = LuaUse::How;

// Names of standard Lua that the sandbox does not have, and what to use.
constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kNotHere{{
    {"os", "app.now() is the time, app.time reads and writes times"},
    {"io", "an app sees nothing but its events; app.log writes to the program's log"},
    {"debug", "tracebacks come with every error"},
    {"package", "require finds the files of the app's own folder"},
    {"load", "code comes only from the app's files"},
    {"loadstring", "code comes only from the app's files"},
    {"loadfile", "require finds the files of the app's own folder"},
    {"dofile", "require finds the files of the app's own folder"},
    {"module", "end the file with `return M` and require it"},
    {"collectgarbage", "memory is limited and looked after"},
    {"unpack", "it is table.unpack"},
    {"setfenv", "that was Lua 5.1"},
    {"getfenv", "that was Lua 5.1"},
    {"newproxy", "that was Lua 5.1"},
    {"loadlib", "there is no way to native code"},
    {"json", "it is app.json"},
}};

template <class Names>
std::string suggestion(std::string_view wrong, const Names& names, std::string_view before) {
  std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view near = config::closest(wrong, candidates);
  return near.empty() ? "" : fmt::format(", did you mean '{}{}'?", before, near);
}

class FileCheck {
 public:
  FileCheck(const LuaNames& names, const std::string& path, bool main, const std::vector<std::string>* settings,
            const std::set<std::string>& own_globals, const KnownNames& known)
      : names_(names), path_(std::make_shared<const std::string>(path)), settings_(settings), own_globals_(own_globals),
        known_(known), meaning_(names, main) {}

  LuaFileCheck run() {
    for (const LuaUse& use : names_.uses) {
      if (const auto path = meaning_.path(use.chain)) app_use(use, *path);
      else if (use.chain.variable < 0) global_use(use);
    }
    return std::move(result_);
  }

 private:
  void note(const LuaPlace& at, std::string message, bool hint = false) {
    if (at.line == 0) return;  // noted where the name was made
    result_.findings.push_back({{path_, at.line, at.column}, hint, std::move(message)});
  }

  // `app`, and what lies below it.
  void app_use(const LuaUse& use, const AppMeaning::Path& path) {
    if (path.empty()) return bare_app(use);
    const LuaChain::Field& first = path.front();
    if (use.how == How::method && path.size() == 1)
      return note(first.at, fmt::format("app:{0}() would give `app` as the first argument: write app.{0}()", first.name));
    if (first.name == "settings") return settings_use(use, path);
    if (use.how == How::write) return note(path.back().at, "`app` is read-only");
    if (!known_.app.contains(first.name) && !known_.app_has_group(first.name))
      return note(first.at, fmt::format("there is no app.{}{}", first.name, suggestion(first.name, first_names(), "app.")));
    if (first.name == "state" && first.at.line != 0) result_.state_used.push_back({path_, first.at.line, first.at.column});
    if (!known_.app_has_group(first.name) || path.size() < 2) return;
    const std::string name = first.name + "." + path[1].name;
    if (!known_.app.contains(name))
      note(path[1].at, fmt::format("there is no app.{}{}", name, suggestion(name, known_.app, "app.")));
  }

  void bare_app(const LuaUse& use) {
    if (use.chain.variable < 0 && use.how == How::write) note(use.chain.at, "the global `app` is read-only");
    // Passed on whole; whoever gets it may read any setting.
    if (use.how != How::alias && use.how != How::write) result_.settings_elsewhere = true;
  }

  std::set<std::string> first_names() const {
    std::set<std::string> names;
    for (const std::string& name : known_.app) names.insert(name.substr(0, name.find('.')));
    return names;
  }

  void settings_use(const LuaUse& use, const AppMeaning::Path& path) {
    if (use.how == How::write) return note(path.back().at, "app.settings is read-only");
    if (path.size() < 2) {
      if (use.how != How::alias) result_.settings_elsewhere = true;
      return;
    }
    result_.settings_read.insert(path[1].name);
    if (settings_ == nullptr || std::ranges::find(*settings_, path[1].name) != settings_->end()) return;
    std::string end = suggestion(path[1].name, *settings_, "");
    if (end.empty())
      end = "; app.yaml declares " + (settings_->empty() ? "none" : fmt::format("{}", fmt::join(*settings_, ", ")));
    note(path[1].at, fmt::format("there is no setting '{}'{}", path[1].name, end));
  }

  void global_use(const LuaUse& use) {
    const std::string name(use.chain.name);
    const bool known = known_.globals.contains(name) || name == "_ENV";
    if (use.how == How::write && use.chain.fields.empty()) return global_write(use, name, known);
    if (known) return member_use(use, name);
    if (own_globals_.contains(name)) return;
    std::string end = suggestion(name, global_names(), "");
    for (const auto& [absent, advice] : kNotHere)
      if (absent == name) end = fmt::format(" here: {}", advice);
    note(use.chain.at, fmt::format("there is no global '{}'{}", name, end));
  }

  std::vector<std::string> global_names() const {
    std::vector<std::string> names(own_globals_.begin(), own_globals_.end());
    for (const auto& [name, members] : known_.globals) names.push_back(name);
    return names;
  }

  void global_write(const LuaUse& use, const std::string& name, bool known) {
    if (known) note(use.chain.at, fmt::format("the global '{}' is read-only", name));
    else if (use.in_function)
      note(use.chain.at,
           fmt::format("'{}' is assigned as a global, which fails once the app is loaded: declare it with `local`", name));
    else note(use.chain.at, fmt::format("'{}' becomes a global: declare it with `local`", name), true);
  }

  void member_use(const LuaUse& use, const std::string& name) {
    const auto library = known_.globals.find(name);
    if (library == known_.globals.end() || library->second.empty() || use.chain.fields.empty()) return;
    const LuaChain::Field& member = use.chain.fields.front();
    if (use.how == How::write) return note(member.at, fmt::format("the library '{}' is read-only", name));
    if (!library->second.contains(member.name))
      note(member.at,
           fmt::format("there is no {}.{}{}", name, member.name, suggestion(member.name, library->second, name + ".")));
  }

  const LuaNames& names_;
  std::shared_ptr<const std::string> path_;
  const std::vector<std::string>* settings_;
  const std::set<std::string>& own_globals_;
  const KnownNames& known_;
  AppMeaning meaning_;
  LuaFileCheck result_;
};

}  // namespace

std::set<std::string> globals_defined(const LuaNames& names) {
  std::set<std::string> defined;
  for (const LuaUse& use : names.uses)
    if (use.how == How::write && use.chain.variable < 0 && use.chain.fields.empty()) defined.emplace(use.chain.name);
  return defined;
}

LuaFileCheck check_lua_file(const LuaNames& names, const std::string& path, bool main,
                            const std::vector<std::string>* settings, const std::set<std::string>& own_globals,
                            const KnownNames& known) {
  return FileCheck(names, path, main, settings, own_globals, known).run();
}

}  // namespace penstock::scripting
