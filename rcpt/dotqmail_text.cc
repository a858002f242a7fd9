// SPDX-License-Identifier: 0BSD
#include "rcpt/dotqmail_text.h"

#include <array>
#include <utility>

#include "core/text.h"

namespace qv::rcpt {

namespace {

constexpr std::size_t kMaxWords = 6;       // no known command has more
constexpr std::size_t kMaxCommand = 2048;  // bytes of its words

std::string_view without_trailing_blanks(std::string_view s) {
  while (!s.empty() && is_blank(s.back())) s.remove_suffix(1);
  return s;
}

bool is_one_of(char c, std::string_view set) { return find_byte(set, c) != set.size(); }

// The words of a command, without their quotes.
class Words {
 public:
  // False where it is more than words, or they do not fit.
  [[nodiscard]] bool split(std::string_view command) {
    char quote = '\0';  // none
    bool in_word = false;
    for (std::size_t at = 0; at < command.size(); ++at) {
      char c = command[at];
      if (quote == '\0' && is_blank(c)) {
        if (std::exchange(in_word, false)) ends_[count_++] = bytes_.size();
        continue;
      }
      if (!in_word && count_ == kMaxWords) return false;
      in_word = true;
      if (quote != '\0' && c == quote) {
        quote = '\0';
      } else if (quote == '\0' && (c == '\'' || c == '"')) {
        quote = c;
      } else {
        if (is_special(c, quote)) return false;
        if (c == '\\' && is_escape(after_bytes(command, at + 1), quote)) {
          if (++at == command.size()) return false;
          c = command[at];
        }
        if (!bytes_.append(c)) return false;
      }
    }
    if (in_word) ends_[count_++] = bytes_.size();
    return quote == '\0';
  }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::string_view operator[](std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return first_bytes(after_bytes(bytes_.view(), begin), ends_[i] - begin);
  }

 private:
  // A '=' in the first word is an assignment, `NAME=value`; in an argument it is harmless.
  [[nodiscard]] bool is_special(char c, char quote) const {
    if (quote == '\'') return false;
    if (quote == '"') return c == '$' || c == '`';
    return is_one_of(c, "|&;<>()$`*?[]{}~#!=^\n\r") && !(c == '=' && count_ > 0);
  }
  // Does a backslash before `rest` take its first byte literally?
  [[nodiscard]] static bool is_escape(std::string_view rest, char quote) {
    if (quote == '"') return !rest.empty() && is_one_of(rest.front(), "\\\"$`");
    return quote == '\0';
  }

  FixedText<kMaxCommand> bytes_;
  std::array<std::size_t, kMaxWords> ends_{};
  std::size_t count_ = 0;
};

std::string_view name_of_program(std::string_view word) {
  const std::size_t slash = find_last_byte(word, '/');
  return slash == word.size() ? word : after_bytes(word, slash + 1);
}

// vpopmail's takes two arguments; a second one other than these two is a place to deliver to.
void parse_vdelivermail(const Words& words, DotqmailCommand& command) {
  if (words.count() != 3) return;
  using Otherwise = DotqmailCommand::Otherwise;
  command.program = DotqmailCommand::Program::vdelivermail;
  if (words[2] == "bounce-no-mailbox") command.otherwise = Otherwise::bounce;
  if (words[2] == "delete") command.otherwise = Otherwise::discard;
}

// One word of options; false for an unknown one.
bool parse_options(std::string_view letters, DotqmailCommand& command) {
  for (const char letter : letters) {
    switch (letter) {
      case 'p':
      case 'P':
        command.pass_through = letter == 'p';
        break;
      case 'd':
      case 'D':
        command.use_default = letter == 'd';
        break;
      case 'N':
        break;
      default:
        return false;  // -n only prints what it would deliver
    }
  }
  return true;
}

void parse_fastforward(const Words& words, DotqmailCommand& command) {
  std::size_t at = 1;
  for (; at < words.count() && starts_with(words[at], "-") && words[at].size() > 1; ++at) {
    if (words[at] == "--") {
      ++at;
      break;
    }
    if (!parse_options(after_bytes(words[at], 1), command)) return;
  }
  if (at + 1 != words.count() || words[at].empty() || !command.table.append(words[at])) return;
  command.program = DotqmailCommand::Program::fastforward;
}

// With a program after the text, it bounces only if that exits 0.
void parse_bouncesaying(const Words& words, DotqmailCommand& command) {
  if (words.count() != 2) return;
  command.text.assign_printable(words[1]);
  command.program = DotqmailCommand::Program::bounce;
}

DotqmailLine::Kind kind_of(std::string_view line, std::size_t number) {
  using Kind = DotqmailLine::Kind;
  if (line.empty()) return number == 1 ? Kind::blank_first : Kind::comment;
  switch (line.front()) {
    case '#':
      return Kind::comment;
    case '.':
    case '/':
      return Kind::file;
    case '|':
      return Kind::program;
    case '+':
      return line == "+list" ? Kind::list : Kind::comment;
    default:
      return Kind::forward;
  }
}

}  // namespace

bool DotqmailLines::next(DotqmailLine& line) {
  if (rest_.empty()) return false;
  const std::string_view whole = without_trailing_blanks(take_until(rest_, '\n'));
  line.number = ++number_;
  line.text = first_bytes(whole, find_byte(whole, '\0'));
  line.kind = kind_of(line.text, line.number);
  if (line.kind == DotqmailLine::Kind::program) line.text.remove_prefix(1);
  return true;
}

DotqmailCommand parse_dotqmail_command(std::string_view text) {
  DotqmailCommand command;
  Words words;
  if (!words.split(text) || words.count() == 0) return command;
  const std::string_view program = name_of_program(words[0]);
  if (program == "vdelivermail") parse_vdelivermail(words, command);
  if (program == "vdeliver") command.program = DotqmailCommand::Program::vdeliver;
  if (program == "fastforward") parse_fastforward(words, command);
  if (program == "bouncesaying") parse_bouncesaying(words, command);
  return command;
}

}  // namespace qv::rcpt
