// SPDX-License-Identifier: 0BSD
#include <errno.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "core/exit_code.h"
#include "core/fault.h"
#include "core/text.h"
#include "maps/address_keys.h"
#include "maps/open.h"
#include "maps/tool/tool.h"

namespace qv::tool {

namespace {

constexpr std::size_t kBuffer = std::size_t{256} << 10;
constexpr std::size_t kMaxKeyLine = std::size_t{16} << 20;

std::unique_ptr<Map> open_or_complain(const std::string& name, bool fold) {
  std::string detail;
  Result<std::unique_ptr<Map>> map = open_map(name, {.fold_keys = fold}, detail);
  if (!map.ok()) {
    complain(detail.empty() ? describe_error(map.error(), name) : detail);
    return nullptr;
  }
  if (!detail.empty()) complain(detail);
  if (map.value()->is_empty()) complain(name + ": the table is empty");
  return std::move(map).value();
}

class Getter {
 public:
  Getter(Map& map, std::string name, const Options& options)
      : map_(map),
        name_(std::move(name)),
        address_(options.has("address")),
        delimiters_(options.value("delimiters", kDefaultDelimiters)) {}

  // Asks, and adds the answer to what is to be printed.
  void ask(std::string_view key, bool with_key) {
    const Result<Answer> answer =
        address_ ? lookup_address(map_, key, delimiters_, value_) : map_.lookup(key, value_);
    tell(key, answer, value_, with_key);
  }

  void flush() {
    if (!out_.empty() && !print(out_)) faults_ = true;
    out_.clear();
  }

  // Keys from standard input, one per line; what has been asked is answered before more is
  // waited for.
  void ask_lines() {
    std::string buffer;
    std::size_t filled = 0;
    for (;;) {
      if (buffer.size() - filled < kBuffer) buffer.resize(filled + kBuffer);
      const ssize_t n = ::read(STDIN_FILENO, buffer.data() + filled, buffer.size() - filled);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return read_failed();
      if (n == 0) break;
      filled += static_cast<std::size_t>(n);
      const std::size_t used = ask_whole_lines(std::string_view(buffer.data(), filled));
      buffer.erase(0, used);
      filled -= used;
      if (filled > kMaxKeyLine) return complain("a line of keys is too long"), mark_fault();
      flush();
    }
    if (filled > 0) ask(std::string_view(buffer.data(), filled), true);
  }

  // 111 where anything could not be told, else 0 where anything was found, else 100.
  int exit_code() const {
    if (faults_) return kExitTemporary;
    return found_ ? kExitOk : kExitPermanent;
  }

 private:
  void tell(std::string_view key, const Result<Answer>& answer, std::string_view value,
            bool with_key) {
    if (!answer.ok()) {
      const std::string detail = map_.detail();
      complain(name_ + ": " + std::string(key) + ": " +
               (detail.empty() ? describe_error(answer.error(), {}) : detail));
      faults_ = true;
      return;
    }
    if (answer.value() == Answer::absent) return;
    found_ = true;
    if (with_key) {
      out_ += key;
      out_ += '\t';
    }
    out_ += value;
    out_ += '\n';
    if (out_.size() >= kBuffer) flush();
  }

  void mark_fault() { faults_ = true; }
  void read_failed() {
    complain(describe_error(errno_error("read"), "standard input"));
    faults_ = true;
  }

  std::size_t ask_whole_lines(std::string_view text) {
    std::size_t used = 0;
    keys_.clear();
    for (;;) {
      const std::string_view rest = after_bytes(text, used);
      const std::size_t end = find_byte(rest, '\n');
      if (end == rest.size()) break;
      keys_.push_back(first_bytes(rest, end));
      used += end + 1;
    }
    if (address_) {
      for (const std::string_view key : keys_) ask(key, true);
    } else {
      map_.lookup_many(keys_,
                       [this](std::size_t i, const Result<Answer>& answer, std::string_view value) {
                         tell(keys_[i], answer, value, true);
                       });
    }
    return used;
  }

  Map& map_;
  std::string name_;
  bool address_;
  std::string delimiters_;
  std::string value_;
  std::vector<std::string_view> keys_;
  std::string out_;
  bool found_ = false;
  bool faults_ = false;
};

}  // namespace

int get(Arguments arguments) {
  constexpr std::string_view kSynopsis =
      "get [--address] [--delimiters=CHARS] [--keep-case] TYPE:NAME KEY...|-";
  const Options options(arguments, {"address", "delimiters=", "keep-case"});
  const Arguments rest = options.rest();
  if (!options.problem().empty() || rest.size() < 2) return usage(options.problem(), kSynopsis);
  const std::unique_ptr<Map> map = open_or_complain(rest[0], !options.has("keep-case"));
  if (!map) return kExitTemporary;
  Getter getter(*map, rest[0], options);
  const Arguments keys = rest.subspan(1);
  if (keys.size() == 1 && keys[0] == "-") {
    getter.ask_lines();
  } else {
    for (const std::string& key : keys) getter.ask(key, keys.size() > 1);
  }
  getter.flush();
  return getter.exit_code();
}

int list(Arguments arguments) {
  const Options options(arguments, {});
  if (!options.problem().empty() || options.rest().size() != 1) {
    return usage(options.problem(), "list TYPE:NAME");
  }
  const std::string& name = options.rest()[0];
  const std::unique_ptr<Map> map = open_or_complain(name, false);
  if (!map) return kExitTemporary;
  std::string out;
  std::string key;
  std::string value;
  for (Step step = Step::first;; step = Step::next) {
    const Result<Answer> more = map->sequence(step, key, value);
    if (!more.ok()) {
      const std::string detail = map->detail();
      complain(name + ": " + (detail.empty() ? describe_error(more.error(), {}) : detail));
      return kExitTemporary;
    }
    if (more.value() == Answer::absent) break;
    out += key + "\t" + value + "\n";
    if (out.size() < kBuffer) continue;
    if (!print(out)) return kExitTemporary;
    out.clear();
  }
  return print(out) ? kExitOk : kExitTemporary;
}

int types(Arguments arguments) {
  if (!arguments.empty()) return usage("", "types");
  std::string out;
  const std::string names = map_type_names();
  for (std::string_view rest = names; !rest.empty();) {
    std::string line(take_until(rest, ' '));
    std::string why;
    const MapType* const type = find_map_type(line, &why);
    line.resize(line.size() < 12 ? 12 : line.size() + 1, ' ');
    if (type == nullptr) {
      out += line + "(" + why + ")\n";
      continue;
    }
    line += type->help;
    const Traits& traits = type->traits;
    std::string words;
    if (traits.pattern) words += " whole-address";
    if (traits.writable) words += " writable";
    if (traits.listable) words += " listable";
    if (type->begin != nullptr) words += " buildable";
    if (traits.networked) words += " networked";
    out += line + (words.empty() ? "" : " [" + words.substr(1) + "]") + "\n";
  }
  return print(out) ? kExitOk : kExitTemporary;
}

}  // namespace qv::tool
