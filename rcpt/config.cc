// SPDX-License-Identifier: 0BSD
#include "rcpt/config.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "control/verifyprobe.h"
#include "core/text.h"
#include "maps/address_keys.h"
#include "maps/spec.h"

namespace qv::rcpt {

namespace {

constexpr std::size_t kMaxName = 255;  // bytes of a domain name

template <class Is>
bool has_byte(std::string_view text, Is is) {
  return std::any_of(text.begin(), text.end(), is);
}

// A blank, a control character or @.
bool is_odd_in_name(char c) {
  return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '@';
}

// What is wrong with the lines of a file that holds one name; empty where nothing is.
// qmail takes the first line as it is, so a comment or an empty line there is a mistake.
std::string complaint_about_name(const std::vector<control::ControlLine>& lines) {
  if (lines.empty() || lines.front().number != 1) {
    return "the first line is empty or a comment: a host name must stand there";
  }
  const std::string& name = lines.front().text;
  if (name.size() > kMaxName) return "a host name has at most 255 bytes";
  if (has_byte(name, is_odd_in_name))
    return "a host name has no blank, control character or @ in it";
  return {};
}

// The table that a line of verifymaps names, kMistaken or none; what is wrong with the line.
std::string_view parse_table(std::string_view domain, bool has_colon, std::string_view table,
                             std::string& wrong) {
  std::string_view type;
  std::string_view name;
  if (!has_colon || !(table.empty() || maps::split_type(maps::strip_braces(table), type, name))) {
    wrong =
        "no table: its recipients are undecided; write DOMAIN:TYPE:NAME, or DOMAIN: for qmail's "
        "own rules";
    return VerifyMaps::kMistaken;
  }
  if (has_byte(domain, [](char c) { return is_odd_in_name(c) || c == '/'; })) {
    wrong = "\"" + std::string(domain) + "\" is no domain: the line decides nothing";
  }
  return table;
}

}  // namespace

VerifyMaps parse_verifymaps(const std::vector<control::ControlLine>& lines, std::string_view file,
                            std::vector<control::Problem>& problems) {
  VerifyMaps out;
  std::vector<control::ControlLine> pairs;
  pairs.reserve(lines.size());
  for (const control::ControlLine& line : lines) {
    std::string_view rest = line.text;
    const bool has_colon = find_byte(rest, ':') < rest.size();
    const std::string_view domain = maps::trim_white(take_until(rest, ':'));
    std::string wrong;
    const std::string table(parse_table(domain, has_colon, maps::trim_white(rest), wrong));
    if (!wrong.empty()) problems.push_back({std::string(file), line.number, std::move(wrong)});
    pairs.push_back({std::string(domain) + ":" + table, line.number});
    if (!table.empty() && table != VerifyMaps::kMistaken) out.named.push_back({table, line.number});
  }
  out.entries = control::Constmap(pairs, control::Constmap::Form::pairs);
  for (const control::ControlLine& pair : pairs) {
    const auto counts = out.entries.find(first_bytes(pair.text, find_byte(pair.text, ':')));
    if (!counts || counts->line == pair.number) continue;
    problems.push_back({std::string(file), pair.number,
                        "line " + std::to_string(counts->line) +
                            " is about the same domain, and is the one that counts"});
  }
  out.file = file;
  out.usable = true;
  return out;
}

ConfigWatch::ConfigWatch(const std::string& qmailhome, control::WallClock clock) {
  using Form = control::Constmap::Form;
  const auto add = [&](std::string_view name, auto use) {
    files_.push_back({name, qmailhome + "/" + std::string(name),
                      control::Reloaded<control::ControlLines>(clock), std::move(use)});
  };
  const auto add_table = [&](std::string_view name, Form form, ControlTable& table) {
    add(name, [form, &table](auto& file, auto& lines) { use_table(file, lines, form, table); });
  };
  add("control/me", [this](auto& file, auto& lines) { use_name(file, lines, me_); });
  add("control/envnoathost",
      [this](auto& file, auto& lines) { use_name(file, lines, envnoathost_); });
  add("control/locals", [this](auto& file, auto& lines) {
    if (file.standing == Standing::good) use_table(file, lines, Form::keys, config_.locals);
  });
  add_table("control/percenthack", Form::keys, config_.percenthack);
  add_table("control/virtualdomains", Form::pairs, config_.virtualdomains);
  add("control/verifymaps", [this](auto& file, auto& lines) {
    config_.verifymaps = parse_verifymaps(lines, file.name, file.problems);
  });
  add("control/recipient_delimiter", [this](auto& file, auto& lines) {
    config_.delimiters = {true, file.name, lines.empty() ? std::string() : lines.front().text};
    if (file.standing == Standing::absent) config_.delimiters.name = maps::kDefaultDelimiters;
  });
  add("control/verifyprobe", [this](auto& file, auto& lines) { use_verifyprobe(file, lines); });
}

void ConfigWatch::force() {
  forced_ = true;
  for (File& file : files_) file.lines.force();
}

control::Change ConfigWatch::read(File& file, std::int64_t now_us) {
  switch (file.lines.refresh(now_us, [&](auto& files) {
    return control::read_control_file(file.path, files.emplace_back());
  })) {
    case control::Reload::none:
      return control::Change::none;
    case control::Reload::failed:
      file.standing = Standing::bad;
      file.problems = {
          {std::string(file.name), 0, "cannot be read: " + control::describe(*file.lines.error())}};
      return control::Change::changed;
    case control::Reload::taken:
      file.standing = *file.lines.value() ? Standing::good : Standing::absent;
      file.problems.clear();
      return control::Change::changed;
  }
  return control::Change::none;
}

void ConfigWatch::use_name(File& file, const Lines& lines, std::string& name) {
  if (file.standing == Standing::absent) return;
  std::string wrong = complaint_about_name(lines);
  if (!wrong.empty()) {
    file.problems.push_back({std::string(file.name), 1, std::move(wrong)});
    file.standing = Standing::bad;
    return;
  }
  name = lines.front().text;
}

void ConfigWatch::use_table(File& file, const Lines& lines, control::Constmap::Form form,
                            ControlTable& table) {
  std::vector<int> malformed;
  table = {true, file.name, control::Constmap(lines, form, &malformed)};
  for (const control::ControlLine& line : lines) {
    if (line.text.back() != '\r') continue;
    file.problems.push_back({std::string(file.name), line.number,
                             "ends in a carriage return, which qmail takes for part of the name: "
                             "save the file with Unix line ends"});
  }
  for (const int line : malformed) {
    file.problems.push_back(
        {std::string(file.name), line, "no colon: passed over; write DOMAIN:PREFIX"});
  }
}

// A mistake in an edit must not turn probing off for a domain that was probed: the old lines stay
// in force, as with qmail-probe.  At the start there are none, and the good lines count.
void ConfigWatch::use_verifyprobe(File& file, const Lines& lines) {
  Lines domains;
  for (const control::ControlLine& line : lines) {
    std::string domain;
    std::string_view rest;
    std::string mistake;
    if (control::read_probed_domain(line, domain, rest, mistake)) {
      domains.push_back({std::move(domain), line.number});
    } else {
      file.problems.push_back({std::string(file.name), line.number, std::move(mistake)});
    }
  }
  if (config_.verifyprobe.usable && !file.problems.empty()) return;
  config_.verifyprobe = {true, file.name,
                         control::Constmap(domains, control::Constmap::Form::keys)};
}

// control/me stands for locals and envnoathost.  Where it is wanted and cannot give a name, what
// was usable stays so, and what was not stays unusable.
void ConfigWatch::settle_defaults() {
  default_problems_.clear();
  const File& me = files_[kMe];
  const File& host = files_[kEnvnoathost];
  const File& locals = files_[kLocals];
  const bool me_is_good = me.standing == Standing::good;
  for (const File* file : {&locals, &host}) {
    if (file->standing != Standing::absent || me.standing != Standing::absent) continue;
    default_problems_.push_back({std::string(me.name), 0,
                                 "does not exist and stands for " + std::string(file->name) +
                                     ", which does not either: write this host's name there"});
  }
  if (locals.standing == Standing::absent && me_is_good) {
    config_.locals = {true, me.name, control::Constmap({{me_, 1}}, control::Constmap::Form::keys)};
  }
  if (host.standing == Standing::good) config_.envnoathost = {true, host.name, envnoathost_};
  if (host.standing == Standing::absent && me_is_good) config_.envnoathost = {true, me.name, me_};
}

void ConfigWatch::report(std::vector<control::Problem>& problems, bool all) {
  std::vector<control::Problem> standing = default_problems_;
  for (const File& file : files_) {
    standing.insert(standing.end(), file.problems.begin(), file.problems.end());
  }
  std::copy_if(standing.begin(), standing.end(), std::back_inserter(problems),
               [&](const control::Problem& problem) {
                 return all || std::none_of(reported_.begin(), reported_.end(), [&](auto& p) {
                          return p.where == problem.where && p.line == problem.line &&
                                 p.text == problem.text;
                        });
               });
  reported_ = std::move(standing);
}

control::Change ConfigWatch::refresh(std::int64_t now_us, std::vector<control::Problem>& problems) {
  control::Change change = control::Change::none;
  for (File& file : files_) {
    if (read(file, now_us) == control::Change::none) continue;
    change = control::Change::changed;
    if (file.standing == Standing::bad) continue;
    control::ControlLines& lines = *file.lines.value();
    file.use(file, lines ? *lines : Lines());
    if (lines) lines.emplace();
  }
  if (change == control::Change::none && !forced_) return change;
  settle_defaults();
  report(problems, std::exchange(forced_, false));
  return change;
}

QmailConfig load_config(const std::string& qmailhome, std::vector<control::Problem>& problems) {
  ConfigWatch watch(qmailhome, control::end_of_time_ns);
  static_cast<void>(watch.refresh(0, problems));
  return watch.config();
}

}  // namespace qv::rcpt
