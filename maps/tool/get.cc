// SPDX-License-Identifier: 0BSD
#include <errno.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "core/exit_code.h"
#include "core/fault.h"
#include "core/text.h"
#include "maps/address_keys.h"
#include "maps/open.h"
#include "maps/tool/tool.h"

namespace qv::maps::tool {

namespace {

constexpr std::size_t kBuffer = std::size_t{256} << 10;
constexpr std::size_t kMaxKeyLine = std::size_t{16} << 20;

// The table; nullptr, having complained, where it cannot be opened.
std::unique_ptr<Map> open_to_read(const std::string& name, const MapOptions& options) {
  std::unique_ptr<Map> map = open_table(name, options);
  if (map && map->is_empty()) complain(name + ": the table is empty");
  return map;
}

int fail_in(const Map& map, const std::string& where, const Error& error) {
  const std::string detail = map.detail();
  return fail(error, where + ": " + (detail.empty() ? describe_error(error, {}) : detail), {});
}

class Getter {
 public:
  Getter(Map& map, std::string name, const Options& options)
      : map_(map),
        name_(std::move(name)),
        address_(options.has("address")),
        delimiters_(options.value("delimiters", kDefaultDelimiters)) {}

  // Looks the key up, and adds the answer to the output.
  void ask(std::string_view key, bool with_key) {
    AddressKeys keys(key, delimiters_);
    std::string_view found;
    const Result<Answer> answer =
        address_ ? lookup_address(map_, keys, found, value_) : map_.lookup(key, value_);
    add(key, answer, value_, with_key);
  }

  void flush() {
    if (!out_.empty() && !print(out_)) faults_ = true;
    out_.clear();
  }

  // Keys from standard input, one per line.  All that has arrived is answered before it waits for
  // more.  False, having complained: the input ended too soon.
  bool ask_lines() {
    std::string buffer;
    std::size_t filled = 0;
    for (;;) {
      if (buffer.size() - filled < kBuffer) buffer.resize(filled + kBuffer);
      const ssize_t n = ::read(STDIN_FILENO, buffer.data() + filled, buffer.size() - filled);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return complain(describe_error(errno_error("read"), "standard input")), false;
      if (n == 0) break;
      filled += static_cast<std::size_t>(n);
      const std::size_t used = ask_whole_lines(std::string_view(buffer.data(), filled));
      buffer.erase(0, used);
      filled -= used;
      if (filled > kMaxKeyLine) return complain("a line of keys is too long"), false;
      flush();
    }
    if (filled > 0) ask(std::string_view(buffer.data(), filled), true);
    return true;
  }

  // 111 where any key was undecided, else 0 where any was found, else 100.
  int exit_code() const {
    if (faults_) return kExitTemporary;
    return found_ ? kExitOk : kExitPermanent;
  }

 private:
  void add(std::string_view key, const Result<Answer>& answer, std::string_view value,
           bool with_key) {
    if (!answer.ok()) {
      fail_in(map_, name_ + ": " + std::string(key), answer.error());
      faults_ = true;
      return;
    }
    if (answer.value() == Answer::absent) return;
    found_ = true;
    if (with_key) (out_ += key) += '\t';
    (out_ += value) += '\n';
    if (out_.size() >= kBuffer) flush();
  }

  std::size_t ask_whole_lines(std::string_view text) {
    keys_.clear();
    std::string_view rest = text;
    while (find_byte(rest, '\n') != rest.size()) keys_.push_back(take_until(rest, '\n'));
    if (address_) {
      for (const std::string_view key : keys_) ask(key, true);
    } else {
      map_.lookup_many(keys_,
                       [this](std::size_t i, const Result<Answer>& answer, std::string_view value) {
                         add(keys_[i], answer, value, true);
                       });
    }
    return text.size() - rest.size();
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

int get(Arguments arguments, std::string_view synopsis) {
  const Options options(arguments, {"address", "delimiters=", "keep-case"});
  const Arguments rest = options.rest();
  if (!options.problem().empty() || rest.size() < 2) return usage(options.problem(), synopsis);
  const auto map = open_to_read(rest[0], {.fold_keys = !options.has("keep-case")});
  if (!map) return kExitTemporary;
  Getter getter(*map, rest[0], options);
  const Arguments keys = rest.subspan(1);
  const bool from_stdin = keys.size() == 1 && keys[0] == "-";
  const bool is_whole = !from_stdin || getter.ask_lines();
  for (std::size_t i = 0; !from_stdin && i < keys.size(); ++i) getter.ask(keys[i], keys.size() > 1);
  getter.flush();
  return is_whole ? getter.exit_code() : kExitTemporary;
}

int list(Arguments arguments, std::string_view synopsis) {
  const Options options(arguments, {});
  if (!options.problem().empty() || options.rest().size() != 1) {
    return usage(options.problem(), synopsis);
  }
  const std::string& name = options.rest()[0];
  const std::unique_ptr<Map> map = open_to_read(name, {});
  if (!map) return kExitTemporary;
  std::string out;
  bool printed = true;
  const Result<void> listed =
      for_each_entry(*map, [&](std::string_view key, std::string_view value) {
        ((out += key) += '\t') += value;
        out += '\n';
        if (out.size() < kBuffer) return true;
        printed = print(out);
        out.clear();
        return printed;
      });
  if (!listed.ok()) return fail_in(*map, name, listed.error());
  return printed && print(out) ? kExitOk : kExitTemporary;
}

int types(Arguments arguments, std::string_view synopsis) {
  if (!arguments.empty()) return usage("", synopsis);
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
    const std::pair<bool, const char*> properties[] = {{type->traits.pattern, " whole-address"},
                                                       {type->traits.writable, " writable"},
                                                       {type->traits.listable, " listable"},
                                                       {type->begin != nullptr, " buildable"},
                                                       {type->traits.networked, " networked"}};
    std::string words;
    for (const auto& [has, word] : properties) words += has ? word : "";
    line += type->help;
    out += line + (words.empty() ? "" : " [" + words.substr(1) + "]") + "\n";
  }
  return print(out) ? kExitOk : kExitTemporary;
}

}  // namespace qv::maps::tool
