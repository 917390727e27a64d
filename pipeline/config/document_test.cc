#include "pipeline/config/document.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include <doctest/doctest.h>
#include <unistd.h>

#include "pipeline/config/fingerprint.h"

using namespace penstock;
using namespace penstock::config;

namespace {

using Texts = std::map<std::string, std::string>;

Lookup lookup_of(Texts files, Texts variables = {}) {
  return {[variables](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
          },
          [files](const std::string& path, Bytes bytes_max) -> Result<std::string> {
            const auto found = files.find(path);
            if (found == files.end()) return fail(ErrorKind::not_found, "No such file or directory");
            if (found->second.size() > bytes_max.count)
              return fail(ErrorKind::limit, "it is larger than " + to_string(bytes_max));
            return found->second;
          }};
}

std::string all(const Problems& problems) {
  std::string out;
  for (const Problem& problem : problems) out += problem.to_string() + "\n";
  return out;
}

// The value of `a` in a document of one line.
std::string value_of(const std::string& text, const Lookup& lookup) {
  const Document document = parse_document("a: " + text, "dir/p.yaml", lookup);
  CAPTURE(text);
  CHECK(all(document.problems) == "");
  const Node* value = document.root.find("a");
  return value == nullptr ? "(none)" : value->text;
}

std::string first_problem(const std::string& text) {
  const Document document = parse_document(text, "p.yaml", lookup_of({}));
  return document.problems.empty() ? "(none)" : document.problems[0].to_string();
}

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "penstock-config-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, std::string_view text) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("values know where they stand, counted in characters") {
  const Document document = parse_document("a: {ä: \"ü\", b: [x, 'y']}\nc:\n", "p.yaml", lookup_of({}));
  const Node& a = *document.root.find("a");
  CHECK(a.find("ä")->at.to_string() == "p.yaml:1:8");
  CHECK(a.find("b")->items[1].at.to_string() == "p.yaml:1:20");
  CHECK(document.root.find("c")->kind == Node::Kind::null);
  CHECK(document.root.find("c")->at.to_string() == "p.yaml:2:1");
}

TEST_CASE("a text is what YAML says it is, in each of its five styles") {
  const std::string quotes(60, '\'');
  const std::pair<std::string, std::string> cases[] = {
      {"one\n  two\n\n  three", "one two\nthree"},
      {"'it''s'", "it's"},
      {"'x" + quotes + " y'", "x" + quotes.substr(30) + " y"},
      {"'one\n\n  two '", "one\ntwo "},
      {"\"a\\n\\t\\x41\\u00e9\\U0001F600\\\"\"", "a\n\tA\u00e9\U0001F600\""},
      {"\"one \\\n    two\n    three\"", "one two three"},
      {"|\n  one\n   two\n\n  three\n", "one\n two\n\nthree\n"},
      {"|-\n  one\n\n", "one"},
      {">\n  one\n  two\n\n  three\n", "one two\nthree\n"},
      {">- # why\n  one\n   two\n\n   three\n  four\n  five\n\n", "one\n two\n\n three\nfour five"},
      {">+\n  one\n\n\n", "one\n\n\n"},
  };
  for (const auto& [yaml, text] : cases) CHECK(value_of(yaml, lookup_of({})) == text);
}

TEST_CASE("a byte order mark and Windows line ends are no problem") {
  const Document document = parse_document(
      "\xef\xbb\xbf"
      "a: 1\r\nb: x\r\n",
      "p.yaml", lookup_of({}));
  CHECK(all(document.problems) == "");
  CHECK(document.root.find("a")->text == "1");
  CHECK(document.root.find("b")->text == "x");
}

TEST_CASE("bytes that are no text are refused with their place") {
  CHECK(first_problem(std::string("a: 1\nb: x\0y\n", 12)) == "p.yaml:2:5: the file holds a NUL byte: save it as UTF-8 text");
  CHECK(first_problem("a: é\nb: \xff\n") == "p.yaml:2:4: the file holds bytes that are not UTF-8: save it as UTF-8 text");
  CHECK(first_problem("a: \xed\xa0\x80\n") == "p.yaml:1:4: the file holds bytes that are not UTF-8: save it as UTF-8 text");
  CHECK(first_problem("a: \x1b[31m\n") == "p.yaml:1:4: the file holds the control character \\x1b: save it as UTF-8 text");
}

TEST_CASE("everything has a limit") {
  CHECK(first_problem("a: " + std::string(2 << 20, 'x')) == "p.yaml: the file is larger than 1MiB");
  std::string many = "a: [";
  for (int i = 0; i < 60'000; ++i) many += "1,";
  CHECK(first_problem(many + "]").contains("more than 50000 values in one file"));
  std::string keys;
  for (int i = 0; i < 10'001; ++i) keys += "k" + std::to_string(i) + ": 1\n";
  CHECK(first_problem(keys) == "p.yaml:10001:1: more than 10000 keys in one map");
  std::string deep;
  for (int i = 0; i < 70; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  CHECK(first_problem(deep).contains("more than 64 levels of nesting"));
}

TEST_CASE("substitution takes variables, defaults and files") {
  const Lookup lookup =
      lookup_of({{"dir/t.txt", "token\n"}, {"/etc/t", "abs\r\n"}, {"dir/two", "a\n\n"}}, {{"NAME", "value"}, {"EMPTY", ""}});
  CHECK(value_of("${env:NAME}", lookup) == "value");
  CHECK(value_of("x-${env:NAME}-${env:NAME}", lookup) == "x-value-value");
  CHECK(value_of("${env:OTHER:-http://x}", lookup) == "http://x");
  CHECK(value_of("${env:EMPTY:-full}", lookup) == "full");
  CHECK(value_of("'${env:EMPTY}'", lookup) == "");
  CHECK(value_of("'${env:OTHER:-}'", lookup) == "");
  CHECK(value_of("${file:t.txt}", lookup) == "token");
  CHECK(value_of("${file:/etc/t}", lookup) == "abs");
  CHECK(value_of("'${file:two}'", lookup) == "a\n");
  CHECK(value_of("$${env:NAME}", lookup) == "${env:NAME}");
  CHECK(value_of("$$${env:NAME}", lookup) == "$${env:NAME}");
  CHECK(value_of("5$ {env}", lookup) == "5$ {env}");
}

TEST_CASE("what is substituted is a secret, whatever it holds") {
  const Lookup lookup = lookup_of({}, {{"X", "{a: [b"}, {"N", "null"}});
  const Document document = parse_document("a: ${env:X}\nb: ${env:N}\nc: $${env:X}\n", "p.yaml", lookup);
  CHECK(document.problems.empty());
  CHECK(document.root.find("a")->kind == Node::Kind::scalar);
  CHECK(document.root.find("b")->kind == Node::Kind::scalar);
  CHECK(document.root.find("a")->secret);
  CHECK_FALSE(document.root.find("c")->secret);
  CHECK(dump(document.root) == "{a: ***, b: ***, c: \"${env:X}\"}");
}

TEST_CASE("a file to substitute has a limit and holds text") {
  const Lookup lookup = lookup_of({{"big", std::string(70'000, 'x')}, {"bad", "\xff"}, {"full", std::string(65'536, 'x')}});
  CHECK(all(parse_document("a: ${file:big}", "p.yaml", lookup).problems) ==
        "p.yaml:1:4: cannot read big: it is larger than 64KiB\n");
  CHECK(all(parse_document("a: ${file:bad}", "p.yaml", lookup).problems) ==
        "p.yaml:1:4: the file bad holds bytes that are not UTF-8\n");
  std::string many;
  for (int i = 0; i < 300; ++i) many += "k" + std::to_string(i) + ": ${file:full}\n";
  CHECK(all(parse_document(many, "p.yaml", lookup).problems).contains("more than 16MiB substituted"));
}

TEST_CASE("included files come first, lists are joined and maps merged") {
  const Lookup lookup = lookup_of({{"conf/apps.yaml", "apps: [one]\nlog: {type: local}\n"},
                                   {"conf/more/b.yaml", "apps: [two]\ndata: ${file:d.txt}\n"},
                                   {"conf/more/d.txt", "./d"}});
  const Document document =
      parse_document("include: [apps.yaml, more/b.yaml]\napps: [three]\nlog: {keep: 1h}\n", "conf/p.yaml", lookup);
  CHECK(all(document.problems) == "");
  CHECK(document.readable);
  CHECK(dump(document.root) == "{apps: [one, two, three], data: ***, log: {keep: 1h, type: local}}");
  CHECK(document.files == std::vector<std::string>{"conf/p.yaml", "conf/apps.yaml", "conf/more/b.yaml", "conf/more/d.txt"});
}

TEST_CASE("includes have a limit in depth") {
  Texts files;
  for (int i = 0; i < 20; ++i) files["f" + std::to_string(i)] = "include: f" + std::to_string(i + 1) + "\n";
  const Document document = parse_document("include: f0\n", "p.yaml", lookup_of(files));
  CHECK_FALSE(document.readable);
  CHECK(all(document.problems) == "f6:1:10: include: files include each other more than 8 deep\n");
}

TEST_CASE("problems are shown file by file, from top to bottom") {
  const auto file = std::make_shared<const std::string>("a"), other = std::make_shared<const std::string>("b");
  Problems problems{{{file, 9, 1}, "", "4"},
                    {{other, 2, 1}, "", "5"},
                    {{file, 3, 5}, "", "2"},
                    {{file, 3, 1}, "", "1"},
                    {{file, 3, 5}, "", "3"}};
  sort_problems(problems);
  std::string order;
  for (const Problem& problem : problems) order += problem.message;
  CHECK(order == "12345");
}

TEST_CASE("the disk's own refusals name the file") {
  const TempFolder folder;
  const auto problem = [](const std::string& path) { return all(load_document(path, process_lookup()).problems); };
  CHECK(problem(folder.path()) == folder.path() + ": cannot read this file: it is a directory, not a file\n");
  CHECK(problem(folder.path() + "/none.yaml") ==
        folder.path() + "/none.yaml: cannot read this file: No such file or directory\n");
  const std::string large = folder.write("large.yaml", std::string((1 << 20) + 1, '#'));
  CHECK(problem(large) == large + ": cannot read this file: it is larger than 1MiB\n");
  CHECK(problem("/dev/zero") == "/dev/zero: cannot read this file: it is larger than 1MiB\n");
}

TEST_CASE("a document on disk is read with the environment of the process") {
  const TempFolder folder;
  folder.write("t", "s3cret\n");
  const Document document = load_document(folder.write("p.yaml", "a: ${file:t}\nb: ${env:PATH}\n"), process_lookup());
  CHECK(all(document.problems) == "");
  CHECK(document.root.find("a")->text == "s3cret");
  CHECK(document.root.find("b")->text == std::getenv("PATH"));
}

TEST_CASE("a fingerprint follows meaning, not looks") {
  const auto print = [](const std::string& text, const char* value = "1") {
    return fingerprint(parse_document(text, "p.yaml", lookup_of({}, {{"X", value}})).root);
  };
  CHECK(print("{a: 1, b: [x]}") == print("# comment\nb:\n  - x\na: 1\n"));
  CHECK(print("a: 1") != print("a: 2"));
  CHECK(print("a: 1") != print("a: '1'"));
  CHECK(print("a: [b, c]") != print("a: [c, b]"));
  CHECK(print("a: ${env:X}", "1") != print("a: ${env:X}", "2"));
  CHECK(print("a: ${env:X}", "1") == print("a: ${env:X}", "1"));
}
