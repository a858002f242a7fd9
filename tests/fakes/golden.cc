// SPDX-License-Identifier: 0BSD
#include "tests/fakes/golden.h"

#include <cstdlib>
#include <fstream>
#include <iostream>

#include "core/check.h"

namespace qv {

namespace {

// As much of JSON as the files use: strings, arrays of pairs, one object a line.
class Line {
 public:
  explicit Line(std::string text) : text_(std::move(text)) {}

  // Goes to behind the next appearance of `"name": `; false where there is none.
  bool seek(const std::string& name) {
    const std::string label = "\"" + name + "\": ";
    const std::size_t at = text_.find(label);
    if (at == std::string::npos) return false;
    at_ = at + label.size();
    return true;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void expect(char c) {
    QV_CHECK(peek() == c);
    ++at_;
  }
  void skip_separator() {
    while (peek() == ',' || peek() == ' ') ++at_;
  }
  std::string string() {
    std::string out;
    expect('"');
    while (peek() != '"') out.push_back(character());
    expect('"');
    return out;
  }
  GoldenAttributes attributes() {
    GoldenAttributes out;
    expect('[');
    while (peek() != ']') {
      expect('[');
      std::string name = string();
      skip_separator();
      std::string value = string();
      expect(']');
      out.emplace_back(std::move(name), std::move(value));
      skip_separator();
    }
    return out;
  }

 private:
  char character() {
    const char c = peek();
    ++at_;
    QV_CHECK(c != '\0');
    if (c != '\\') return c;
    const char escaped = peek();
    ++at_;
    if (escaped != 'u') return escaped;
    const std::string digits = text_.substr(at_, 4);
    at_ += 4;
    return static_cast<char>(std::strtol(digits.c_str(), nullptr, 16));
  }

  std::string text_;
  std::size_t at_ = 0;
};

GoldenMessage message(Line& line, const std::string& attributes, const std::string& bytes) {
  GoldenMessage out;
  QV_CHECK(line.seek(attributes));
  out.attributes = line.attributes();
  QV_CHECK(line.seek(bytes));
  out.bytes = line.string();
  return out;
}

}  // namespace

std::vector<std::string> golden_names() {
  std::vector<std::string> out;
  for (const char* release : {"3.7.11", "3.12-20260821"}) {
    for (const char* service : {"proxymap", "proxywrite", "verify"}) {
      out.push_back(std::string("postfix-") + release + "-" + service + ".jsonl");
    }
  }
  return out;
}

std::vector<GoldenExchange> read_golden(const std::string& name) {
  std::ifstream file("tests/data/proxymap/" + name);
  if (!file) {
    std::cerr << "tests/data/proxymap/" << name << ": run the tests from the top of the tree\n";
    std::exit(1);
  }
  std::vector<GoldenExchange> out;
  std::string text;
  while (std::getline(file, text)) {
    Line line(text);
    GoldenExchange exchange;
    if (line.seek("greeting")) {
      exchange.reply = message(line, "greeting", "bytes");
    } else {
      exchange.request = message(line, "request", "request_bytes");
      exchange.reply = message(line, "reply", "reply_bytes");
    }
    out.push_back(std::move(exchange));
  }
  QV_CHECK(!out.empty());
  return out;
}

}  // namespace qv
