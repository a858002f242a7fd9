// SPDX-License-Identifier: 0BSD
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "core/clock.h"
#include "core/exit_code.h"
#include "core/file.h"
#include "core/text.h"
#include "maps/bytes.h"
#include "maps/open.h"
#include "maps/table_builder.h"
#include "maps/tool/tool.h"
#include "maps/types/memory_table.h"
#include "maps/types/text_table.h"

namespace qv::tool {

namespace {

constexpr std::uint64_t kMaxTold = 20;  // lines about one kind of trouble

// Lines on standard error, of which only the first ones are worth reading.
class Complaints {
 public:
  void add(const std::string& text) {
    if (++count_ <= kMaxTold) complain(text);
  }
  void end(const std::string& what) const {
    if (count_ > kMaxTold) complain(std::to_string(count_ - kMaxTold) + " more " + what);
  }
  std::uint64_t count() const { return count_; }

 private:
  std::uint64_t count_ = 0;
};

constexpr std::int64_t kQuietUs = 1'000'000;
constexpr std::int64_t kEveryUs = 200'000;
constexpr int kBarWidth = 30;

// "[#####     ]  51 %  1234567 entries  812345/s  0:07 left": what the line says.  `left_s` and
// `percent` below 0 are not known.
std::string progress_line(int percent, std::uint64_t entries, std::uint64_t per_second,
                          std::int64_t left_s) {
  std::string out;
  if (percent >= 0) {
    const auto filled = static_cast<std::size_t>(kBarWidth * percent / 100);
    out += "[" + std::string(filled, '#') + std::string(kBarWidth - filled, ' ') + "] " +
           std::to_string(percent) + " %  ";
  }
  out += std::to_string(entries) + " entries  " + std::to_string(per_second) + "/s";
  if (left_s >= 0) {
    const std::string seconds = std::to_string(left_s % 60);
    out += "  " + std::to_string(left_s / 60) + ":" + (seconds.size() < 2 ? "0" : "") + seconds +
           " left";
  }
  return out;
}

// A line on the terminal that tells how far a long build is.  Nothing is written where standard
// error is no terminal, nor in the first second.
class Progress {
 public:
  // `total`: bytes of the source, 0 where nobody knows.
  explicit Progress(std::uint64_t total)
      : total_(total), begun_us_(monotonic_us()), terminal_(isatty(STDERR_FILENO) == 1) {}
  // Clears the line, if there is one.
  ~Progress() {
    if (shown_us_ != 0) write("\r\x1b[K");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap: looks at the clock only every few thousand entries.
  void update(std::uint64_t position, std::uint64_t entries) {
    if ((entries & 4095) == 0) show(position, entries);
  }

 private:
  // Nobody to tell where even that cannot be written.
  static void write(const std::string& line) { static_cast<void>(write_all(STDERR_FILENO, line)); }

  void show(std::uint64_t position, std::uint64_t entries) {
    const std::int64_t now = monotonic_us();
    const std::int64_t spent = now - begun_us_;
    if (!terminal_ || spent < kQuietUs || now - shown_us_ < kEveryUs) return;
    shown_us_ = now;
    int percent = -1;
    std::int64_t left_s = -1;
    if (total_ > 0 && position > 0 && position <= total_) {
      percent = static_cast<int>(position * 100 / total_);
      left_s = static_cast<std::int64_t>(static_cast<double>(spent) *
                                         static_cast<double>(total_ - position) /
                                         static_cast<double>(position) / 1e6);
    }
    const auto seconds = static_cast<double>(spent) / 1e6;
    const auto rate = static_cast<std::uint64_t>(static_cast<double>(entries) / seconds);
    write("\r" + progress_line(percent, entries, rate, left_s) + "\x1b[K");
  }

  std::uint64_t total_;
  std::int64_t begun_us_;
  std::int64_t shown_us_ = 0;
  bool terminal_;
};

struct BuildOptions {
  Duplicates duplicates = Duplicates::keep_first;
  bool tell_duplicates = true;
  bool keep_case = false;
};

// False, having said so, where the options contradict each other.
bool read_options(const Options& options, BuildOptions& out) {
  if (options.has("replace") && options.has("ignore")) {
    complain("--replace and --ignore exclude each other");
    return false;
  }
  if (options.has("replace")) out.duplicates = Duplicates::keep_last;
  out.tell_duplicates = !options.has("replace") && !options.has("ignore");
  out.keep_case = options.has("keep-case");
  return true;
}

int failed(const Error& error, const std::string& detail, std::string_view where) {
  complain(detail.empty() ? describe_error(error, where) : detail);
  return kExitTemporary;
}

// A table being built, with what its user is told.
class Build {
 public:
  explicit Build(const BuildOptions& options) : options_(options) {}

  // False: it has complained.
  bool begin(std::string_view target, const std::optional<FileOwner>& source) {
    target_ = target;
    std::string detail;
    Result<std::unique_ptr<TableBuilder>> builder = TableBuilder::begin(
        target, source, options_.duplicates,
        [this](std::string_view key) {
          if (options_.tell_duplicates) {
            twice_.add(target_ + ": key twice, the first entry counts: " + std::string(key));
          }
        },
        detail);
    if (!builder.ok()) return static_cast<void>(failed(builder.error(), detail, target)), false;
    if (!detail.empty()) complain(detail);
    builder_ = std::move(builder).value();
    return true;
  }

  Result<void> add(std::string_view key, std::string_view value) {
    if (options_.keep_case) return builder_->add(key, value);
    // Most keys are lower case as they are, and need no copy.
    return builder_->add(has_upper(key) ? fold(key) : key, value);
  }

  std::string_view fold(std::string_view key) {
    folded_.assign(key);
    for (char& c : folded_) c = ascii_lower(c);
    return folded_;
  }

  int finish() {
    std::string detail;
    const Result<void> done = builder_->finish(detail);
    twice_.end("keys twice");
    if (!done.ok()) return failed(done.error(), detail, target_);
    if (builder_->records() == 0) complain(target_ + ": the table is empty");
    return kExitOk;
  }

 private:
  BuildOptions options_;
  std::string target_;
  std::unique_ptr<TableBuilder> builder_;
  Complaints twice_;
  std::string folded_;
};

std::uint64_t size_of(int fd) {
  struct stat st {};
  return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? static_cast<std::uint64_t>(st.st_size) : 0;
}

// Copies every entry of the text; exit code, 0 where all could be understood.
int add_text(int fd, const std::string& name, Build& build) {
  LogicalLines lines(fd);
  Progress progress(size_of(fd));
  Complaints wrong;
  TextEntry entry;
  std::uint64_t entries = 0;
  for (;;) {
    std::string_view line;
    const Result<Answer> more = lines.next(line);
    if (!more.ok()) return failed(more.error(), {}, name);
    if (more.value() == Answer::absent) break;
    if (const char* problem = parse_text_entry(line, entry)) {
      wrong.add(name + ":" + std::to_string(lines.number()) + ": " + problem);
      continue;
    }
    const Result<void> added = build.add(entry.key, entry.value);
    if (!added.ok()) {
      return failed(added.error(), {}, name + ":" + std::to_string(lines.number()));
    }
    progress.update(lines.position(), ++entries);
  }
  wrong.end("lines that cannot be understood");
  if (wrong.count() == 0) return kExitOk;
  complain(name + ": nothing was built; the table is as it was");
  return kExitTemporary;
}

// Others than root and the user who builds could write what the table will say.
void warn_about_source(int fd, const std::string& name) {
  struct stat st {};
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) return;
  if ((st.st_mode & S_IWOTH) != 0) complain(name + ": everybody may write to the source");
  if (st.st_uid != 0 && st.st_uid != geteuid() && geteuid() != 0) {
    complain(name + ": the source belongs to uid " + std::to_string(st.st_uid));
  }
}

}  // namespace

int build(Arguments arguments) {
  constexpr std::string_view kSynopsis =
      "build [--replace|--ignore] [--keep-case] SOURCE TYPE:NAME";
  const Options options(arguments, {"replace", "ignore", "keep-case"});
  BuildOptions wanted;
  if (!options.problem().empty() || options.rest().size() != 2 || !read_options(options, wanted)) {
    return usage(options.problem(), kSynopsis);
  }
  const std::string& source = options.rest()[0];
  Fd opened;
  int fd = STDIN_FILENO;
  if (source != "-") {
    Result<Fd> file = open_read(source.c_str());
    if (!file.ok()) return failed(file.error(), {}, source);
    opened = std::move(file).value();
    fd = opened.get();
  }
  const std::string name = source == "-" ? "standard input" : source;
  warn_about_source(fd, name);
  Build table(wanted);
  if (!table.begin(options.rest()[1], owner_of_source(fd))) return kExitTemporary;
  const int code = add_text(fd, name, table);
  return code == kExitOk ? table.finish() : code;
}

int convert(Arguments arguments) {
  constexpr std::string_view kSynopsis =
      "convert [--replace|--ignore] [--keep-case] TYPE:NAME TYPE:NAME";
  const Options options(arguments, {"replace", "ignore", "keep-case"});
  BuildOptions wanted;
  if (!options.problem().empty() || options.rest().size() != 2 || !read_options(options, wanted)) {
    return usage(options.problem(), kSynopsis);
  }
  const std::string& from = options.rest()[0];
  std::string detail;
  Result<std::unique_ptr<Map>> map = open_map(from, {}, detail);
  if (!map.ok()) return failed(map.error(), detail, from);
  if (!detail.empty()) complain(detail);
  Build table(wanted);
  if (!table.begin(options.rest()[1], std::nullopt)) return kExitTemporary;
  Progress progress(0);
  std::uint64_t entries = 0;
  std::string key;
  std::string value;
  for (Step step = Step::first;; step = Step::next) {
    const Result<Answer> more = map.value()->sequence(step, key, value);
    if (!more.ok()) return failed(more.error(), map.value()->detail(), from);
    if (more.value() == Answer::absent) break;
    const Result<void> added = table.add(key, value);
    if (!added.ok()) return failed(added.error(), {}, from);
    progress.update(0, ++entries);
  }
  return table.finish();
}

}  // namespace qv::tool
