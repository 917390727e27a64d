#include "pipeline/config/yaml_parser.h"

#include <libfyaml.h>

#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "pipeline/config/describe.h"
#include "pipeline/config/text_rules.h"
#include "pipeline/config/yaml_scalars.h"

namespace penstock::config {
namespace {

constexpr int kDepthMax = 64;
constexpr int kValuesMax = 50'000;
constexpr std::size_t kKeysMax = 10'000;

using DiagPtr = std::unique_ptr<fy_diag, decltype(&fy_diag_destroy)>;
using ParserPtr = std::unique_ptr<fy_parser, decltype(&fy_parser_destroy)>;

void say_nothing(fy_diag*, void*, const char*, std::size_t) {}

DiagPtr make_diag() {
  fy_diag_cfg config;
  fy_diag_cfg_default(&config);
  config.fp = nullptr;
  config.output_fn = say_nothing;
  DiagPtr diag(fy_diag_create(&config), &fy_diag_destroy);
  if (diag) fy_diag_set_collect_errors(diag.get(), true);
  return diag;
}

// What the library says, and what it means to someone who writes a configuration.
constexpr std::pair<std::string_view, std::string_view> kMeanings[] = {
    {"invalid multiline plain key",
     "this line and the next do not fit together: write a space after a colon, and indent "
     "entries of one map equally"},
    {"invalid nested block mapping on the same line", "two colons on one line: put a text that contains ': ' in quotes"},
    {"tab character may not be used as indentation", "a tab in the indentation: use spaces"},
    {"double-quoted scalar", "a text that starts with \" is not closed, or goes on in a line that is not indented"},
    {"single-quoted scalar", "a text that starts with ' is not closed, or goes on in a line that is not indented"},
    {"flow sequence without a closing bracket", "a list that starts with [ is not closed by ]"},
    {"flow mapping without a closing brace", "a map that starts with { is not closed by }"},
    {"invalid extra closing", "a closing bracket that closes nothing"},
    {"invalid value after mapping", "this line does not belong to the map before it: check its indentation"},
    {"at the end of block sequence", "this line does not belong to the list before it: check its indentation"},
    {"did not find expected", "this does not belong here: check indentation, colons and quotes"},
    {"plain scalar cannot start with", "a text that starts with this character needs quotes"},
    {"missing comma in flow mapping", "a map that starts with { needs a comma here, or is not closed by }"},
    {"missing comma in flow sequence", "a list that starts with [ needs a comma here, or is not closed by ]"},
    {"mismatched flow mapping end", "this } closes a list that starts with ["},
    {"mismatched flow sequence end", "this ] closes a map that starts with {"},
    {"invalid indentation", "this line is indented like none of the lines it could belong to"},
};

std::string meaning_of(std::string_view said) {
  for (const auto& [known, meaning] : kMeanings)
    if (said.find(known) != std::string_view::npos) return std::string(meaning);
  return fmt::format("not valid YAML: {}", printable(said));
}

bool indented_by_tab(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  const auto start = text.find_first_not_of(' ');
  return start != std::string_view::npos && text[start] == '\t';
}

// The first line from `line` on, of two, that is indented by a tab, or 0. The library blames the line before it.
int tab_line(std::string_view text, int line) {
  for (const int candidate : {line, line + 1})
    if (indented_by_tab(text, candidate)) return candidate;
  return 0;
}

bool is_null_text(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

class TreeBuilder {
 public:
  TreeBuilder(std::string_view text, std::shared_ptr<const std::string> file, Problems& problems)
      : text_(text), file_(std::move(file)), problems_(problems), diag_(make_diag()), parser_(nullptr, &fy_parser_destroy) {
    fy_parse_cfg config{};
    config.flags =
        static_cast<fy_parse_cfg_flags>(static_cast<unsigned>(FYPCF_QUIET) | static_cast<unsigned>(FYPCF_JSON_NONE) |
                                        static_cast<unsigned>(FYPCF_DEFAULT_VERSION_1_2));
    config.diag = diag_.get();
    parser_.reset(fy_parser_create(&config));
  }

  bool build(Node& root) {
    if (!diag_ || !parser_ || fy_parser_set_string(parser_.get(), text_.data(), text_.size()) != 0)
      return stop({file_, 0, 0}, "the YAML parser could not be started: out of memory?");
    bool found = false;
    while (next()) {
      if (event_->type == FYET_DOCUMENT_START) {
        if (found) return stop(second_document(), "a second document begins here: one file holds one configuration");
        found = true;
      } else if (event_->type != FYET_STREAM_START && event_->type != FYET_STREAM_END && event_->type != FYET_DOCUMENT_END) {
        if (!node(root, {file_, 1, 1}, 1)) return false;
      }
    }
    if (fy_parser_get_stream_error(parser_.get())) return syntax_error();
    if (!found) return stop({file_, 1, 1}, "the file is empty");
    return true;
  }

 private:
  struct EventDeleter {
    fy_parser* parser;
    void operator()(fy_event* event) const { fy_parser_event_free(parser, event); }
  };

  // The next event into event_; false at the end and after an error.
  bool next() {
    event_.reset();
    event_ = {fy_parser_parse(parser_.get()), EventDeleter{parser_.get()}};
    return event_ != nullptr;
  }

  // Where the current event stands; where nothing is written (an empty value), the place given.
  Location here(const Location& otherwise = {}) {
    const fy_mark* mark = fy_event_start_mark(event_.get());
    if (mark == nullptr) return otherwise;
    int column = mark->column + 1;
    if (event_->type == FYET_SCALAR) {
      const auto style = fy_token_scalar_style(event_->scalar.value);
      if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) && column > 1)
        --column;  // the mark is after the quote
    }
    return {file_, mark->line + 1, column};
  }

  // Without a marker `---` it has no place of its own: that of what follows is meant.
  Location second_document() {
    const Location at = here();
    return at.file || !next() ? at : here({file_, 0, 0});
  }

  void note(const Location& at, std::string message) { problems_.push_back({at, "", std::move(message)}); }
  bool stop(const Location& at, std::string message) {
    note(at, std::move(message));
    return false;
  }

  bool syntax_error() {
    void* position = nullptr;
    const fy_diag_error* error = fy_diag_errors_iterate(diag_.get(), &position);
    if (error == nullptr) return stop({file_, 0, 0}, "not valid YAML: is there a line that starts with %?");
    if (const int line = tab_line(text_, error->line); line != 0)
      return stop({file_, line, 1}, "a tab in the indentation: use spaces");
    return stop({file_, error->line, error->column}, meaning_of(error->msg));
  }

  // Reads the value that begins with the current event, to its end.
  bool node(Node& out, const Location& otherwise, int depth) {
    out.at = here(otherwise);
    if (depth > kDepthMax) return stop(out.at, fmt::format("more than {} levels of nesting", kDepthMax));
    if (++values_ > kValuesMax) return stop(out.at, fmt::format("more than {} values in one file", kValuesMax));
    refuse_decorations(out);
    switch (event_->type) {
      case FYET_SCALAR: scalar(out); return true;
      case FYET_ALIAS: alias(out); return true;
      case FYET_SEQUENCE_START: return list(out, depth);
      case FYET_MAPPING_START: return map(out, depth);
      default: return stop(out.at, "not valid YAML: a value is missing here");
    }
  }

  void refuse_decorations(Node& out) {
    if (event_->type == FYET_ALIAS) return;
    if (fy_event_get_tag_token(event_.get()) != nullptr) {
      note(out.at, "tags (!…) have no meaning here: write the plain value");
      out.broken = true;
    }
    if (fy_event_get_anchor_token(event_.get()) != nullptr) {
      note(out.at, "anchors (&…) are not supported: repeat the value, or move it to a file and include it");
      out.broken = true;
    }
  }

  void alias(Node& out) {
    note(out.at, "aliases (*…) are not supported: repeat the value, or move it to a file and include it");
    out.broken = true;
  }

  // The characters of the current scalar, and where in the text they begin.
  std::pair<std::string_view, std::size_t> raw_scalar() {
    const std::size_t from = fy_token_start_mark(event_->scalar.value)->input_pos;
    const std::size_t to = fy_token_end_mark(event_->scalar.value)->input_pos;
    return {text_.substr(from, to - from), from};
  }

  std::string scalar_text(Node& out) {
    if (event_->scalar.value == nullptr) return {};
    switch (fy_token_scalar_style(event_->scalar.value)) {
      case FYSS_SINGLE_QUOTED: return single_quoted_text(raw_scalar().first);
      case FYSS_DOUBLE_QUOTED: return double_quoted_text(raw_scalar().first);
      case FYSS_LITERAL: return block(out, '|');
      case FYSS_FOLDED: return block(out, '>');
      default: return plain_text(raw_scalar().first);
    }
  }

  std::string block(Node& out, char style) {
    const auto [raw, from] = raw_scalar();
    const std::size_t line_end = text_.rfind('\n', from == 0 ? 0 : from - 1);
    if (line_end == std::string_view::npos) return {};
    const std::size_t before = line_end == 0 ? std::string_view::npos : text_.rfind('\n', line_end - 1);
    const std::size_t line_start = before == std::string_view::npos ? 0 : before + 1;
    const std::string_view header = text_.substr(line_start, line_end - line_start);
    if (block_marks(header, style).find_first_of("0123456789") != std::string_view::npos) {
      note(out.at, fmt::format("an indentation number after {} is not supported: write the text in quotes", style));
      out.broken = true;
      return {};
    }
    const bool empty = raw.find_first_not_of(" \t\r\n") == std::string_view::npos;
    return block_text(style, header, empty ? raw : text_.substr(line_end + 1));
  }

  void scalar(Node& out) {
    out.quoted = fy_token_scalar_style(event_->scalar.value) != FYSS_PLAIN;
    out.text = scalar_text(out);
    out.kind = !out.quoted && is_null_text(out.text) ? Node::Kind::null : Node::Kind::scalar;
    if (const auto bad = first_bad_byte(out.text)) {  // by an escape such as "\0"
      note(out.at, fmt::format("the text holds {}", bad->reason));
      out.broken = true;
    }
  }

  bool list(Node& out, int depth) {
    out.kind = Node::Kind::list;
    while (next()) {
      if (event_->type == FYET_SEQUENCE_END) return true;
      if (!node(out.items.emplace_back(), out.at, depth + 1)) return false;
    }
    return syntax_error();
  }

  bool map(Node& out, int depth) {
    out.kind = Node::Kind::map;
    std::unordered_map<std::string, Location> seen;
    while (next()) {
      if (event_->type == FYET_MAPPING_END) return true;
      Node key;
      if (!node(key, out.at, depth + 1)) return false;
      if (!next()) return syntax_error();
      Node value;
      if (!node(value, key.at, depth + 1)) return false;
      if (!accept_key(key, seen)) continue;
      if (seen.size() > kKeysMax) return stop(key.at, fmt::format("more than {} keys in one map", kKeysMax));
      out.entries.push_back({std::move(key.text), key.at, std::move(value)});
    }
    return syntax_error();
  }

  // Whether the entry stays in the tree; a refused one is noted.
  bool accept_key(const Node& key, std::unordered_map<std::string, Location>& seen) {
    if (key.broken) return false;
    if (key.kind != Node::Kind::scalar) {
      note(key.at, "a key must be a text");
      return false;
    }
    if (key.text == "<<" && !key.quoted) {
      note(key.at, "merge keys (<<) are not supported: repeat the values, or move them to a file and include it");
      return false;
    }
    const auto [first, is_new] = seen.emplace(key.text, key.at);
    if (is_new) return true;
    note(key.at, fmt::format("the key '{}' is here twice: also in line {}", printable(key.text), first->second.line));
    return false;
  }

  std::string_view text_;
  std::shared_ptr<const std::string> file_;
  Problems& problems_;
  DiagPtr diag_;
  ParserPtr parser_;
  std::unique_ptr<fy_event, EventDeleter> event_{nullptr, EventDeleter{nullptr}};
  int values_ = 0;
};

}  // namespace

bool parse_yaml(std::string_view text, const std::shared_ptr<const std::string>& file, Node& root, Problems& problems) {
  if (const auto bad = first_bad_byte(text)) {
    const Position at = position_of(text, bad->offset);
    problems.push_back(
        {{file, at.line, at.column}, "", fmt::format("the file holds {}: save it as UTF-8 text", bad->reason)});
    return false;
  }
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return TreeBuilder(text, file, problems).build(root);
}

}  // namespace penstock::config
