// SPDX-License-Identifier: 0BSD
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "core/clock.h"
#include "core/exit_code.h"
#include "core/file.h"
#include "maps/bytes.h"
#include "maps/source.h"
#include "maps/table_builder.h"
#include "maps/tool/tool.h"
#include "maps/types/text_table.h"

namespace qv::maps::tool {

namespace {

constexpr std::uint64_t kMaxComplaints = 20;  // lines about one kind of mistake

// Lines on standard error, of which only the first ones are printed.
class Complaints {
 public:
  void add(const std::string& text) {
    if (++count_ <= kMaxComplaints) complain(text);
  }
  void end(const std::string& what) const {
    if (count_ > kMaxComplaints)
      complain(std::to_string(count_ - kMaxComplaints) + " more " + what);
  }
  std::uint64_t count() const { return count_; }

 private:
  std::uint64_t count_ = 0;
};

constexpr std::int64_t kQuietUs = 1'000'000;
constexpr std::int64_t kEveryUs = 200'000;
constexpr int kBarWidth = 30;

// A line on the terminal that shows the progress of a long build:
// "[#####     ] 51 %  1234567 entries  812345/s  0:07 left".  Nothing is written where standard
// error is no terminal, nor in the first second.
class Progress {
 public:
  // `total`: bytes of the source; 0: unknown.
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
    if ((entries & 4095) == 0 && terminal_) show(position, entries);
  }

 private:
  static void write(const std::string& line) { static_cast<void>(write_all(STDERR_FILENO, line)); }

  void show(std::uint64_t position, std::uint64_t entries) {
    const std::int64_t now = monotonic_us();
    if (now - begun_us_ < kQuietUs || now - shown_us_ < kEveryUs) return;
    shown_us_ = now;
    const double seconds = static_cast<double>(now - begun_us_) / 1e6;
    const double done = static_cast<double>(position) / static_cast<double>(total_);
    const bool is_known = total_ > 0 && position > 0 && position <= total_;
    std::string line = "\r";
    char text[80];
    if (is_known) {
      const std::string bar(static_cast<std::size_t>(kBarWidth * done), '#');
      snprintf(text, sizeof text, "[%-*s] %d %%  ", kBarWidth, bar.c_str(),
               static_cast<int>(done * 100));
      line += text;
    }
    line += std::to_string(entries) + " entries  " +
            std::to_string(static_cast<std::uint64_t>(static_cast<double>(entries) / seconds)) +
            "/s";
    if (is_known) {
      const auto left = static_cast<int>(seconds / done - seconds);
      snprintf(text, sizeof text, "  %d:%02d left", left / 60, left % 60);
      line += text;
    }
    write(line + "\x1b[K");
  }

  std::uint64_t total_;
  std::int64_t begun_us_;
  std::int64_t shown_us_ = 0;
  bool terminal_;
};

// A table being built, as the command line wants it, with the complaints about it.
class Build {
 public:
  // Parses the command line; `synopsis` is the command's.
  Build(Arguments arguments, std::string_view synopsis)
      : options_(arguments, {"replace", "ignore", "keep-case"}),
        synopsis_(synopsis),
        keep_case_(options_.has("keep-case")) {}

  // The exit code of a wrong command line; nothing for a right one.
  std::optional<int> misuse() const {
    const bool both = options_.has("replace") && options_.has("ignore");
    if (both) complain("--replace and --ignore exclude each other");
    if (!both && options_.problem().empty() && options_.rest().size() == 2) return std::nullopt;
    return usage(options_.problem(), synopsis_);
  }
  const std::string& source() const { return options_.rest()[0]; }
  const std::string& target() const { return options_.rest()[1]; }

  // False: it has complained.
  bool begin(const std::optional<FileOwner>& owner) {
    const bool replace = options_.has("replace");
    DuplicateNotice notice = [](std::string_view) {};
    if (!replace && !options_.has("ignore")) {
      notice = [this](std::string_view key) {
        twice_.add(target() + ": key twice, the first entry counts: " + std::string(key));
      };
    }
    std::string detail;
    Result<std::unique_ptr<TableBuilder>> builder = TableBuilder::begin(
        target(), owner, replace ? Duplicates::keep_last : Duplicates::keep_first,
        std::move(notice), detail);
    if (!builder.ok()) return fail(builder.error(), detail, target()), false;
    if (!detail.empty()) complain(detail);
    builder_ = std::move(builder).value();
    return true;
  }

  Result<void> add(std::string_view key, std::string_view value) {
    is_empty_ = false;
    // Most keys are lower case as they are, and need no copy.
    if (keep_case_ || !has_upper(key)) return builder_->add(key, value);
    return builder_->add(fold_key(key), value);
  }

  int finish() {
    std::string detail;
    const Result<void> done = builder_->finish(detail);
    twice_.end("keys twice");
    if (!done.ok()) return fail(done.error(), detail, target());
    if (is_empty_) complain(target() + ": the table is empty");
    return kExitOk;
  }

 private:
  Options options_;
  std::string_view synopsis_;
  bool keep_case_;
  bool is_empty_ = true;
  std::unique_ptr<TableBuilder> builder_;
  Complaints twice_;
};

// Copies every entry of the text; exit code, 0 where all lines are entries.
int add_text(int fd, std::uint64_t size, const std::string& name, Build& build) {
  LogicalLines lines(fd);
  Progress progress(size);
  Complaints wrong;
  TextEntry entry;
  std::uint64_t entries = 0;
  for (;;) {
    std::string_view line;
    const Result<Answer> more = lines.next(line);
    if (!more.ok()) return fail(more.error(), {}, name);
    if (more.value() == Answer::absent) break;
    if (const char* problem = parse_text_entry(line, entry)) {
      wrong.add(name + ":" + std::to_string(lines.number()) + ": " + problem);
      continue;
    }
    const Result<void> added = build.add(entry.key, entry.value);
    if (!added.ok()) return fail(added.error(), {}, name + ":" + std::to_string(lines.number()));
    progress.update(lines.position(), ++entries);
  }
  wrong.end("lines that cannot be understood");
  if (wrong.count() == 0) return kExitOk;
  complain(name + ": nothing was built; the table is as it was");
  return kExitTemporary;
}

// Complains where others than root and the user who builds could write what the table will say.
void warn_about_source(const struct stat& st, const std::string& name) {
  if ((st.st_mode & S_IWOTH) != 0) complain(name + ": everybody may write to the source");
  if (st.st_uid != 0 && st.st_uid != geteuid() && geteuid() != 0) {
    complain(name + ": the source belongs to uid " + std::to_string(st.st_uid));
  }
}

}  // namespace

int build(Arguments arguments, std::string_view synopsis) {
  Build table(arguments, synopsis);
  if (const auto code = table.misuse()) return *code;
  const bool is_stdin = table.source() == "-";
  const std::string name = is_stdin ? "standard input" : table.source();
  Fd opened;
  if (!is_stdin) {
    Result<Fd> file = open_read(name.c_str());
    if (!file.ok()) return fail(file.error(), {}, name);
    opened = std::move(file).value();
  }
  const int fd = is_stdin ? STDIN_FILENO : opened.get();
  struct stat st {};
  const bool is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
  if (is_file) warn_about_source(st, name);
  std::optional<FileOwner> owner;
  if (is_file) owner = {st.st_uid, st.st_gid, st.st_mode & 0666};
  if (!table.begin(owner)) return kExitTemporary;
  const auto size = static_cast<std::uint64_t>(is_file ? st.st_size : 0);
  const int code = add_text(fd, size, name, table);
  return code == kExitOk ? table.finish() : code;
}

int convert(Arguments arguments, std::string_view synopsis) {
  Build table(arguments, synopsis);
  if (const auto code = table.misuse()) return *code;
  const std::unique_ptr<Map> from = open_table(table.source(), {});
  if (!from || !table.begin(std::nullopt)) return kExitTemporary;
  Progress progress(0);
  std::uint64_t entries = 0;
  Result<void> added;
  const Result<void> listed =
      for_each_entry(*from, [&](std::string_view key, std::string_view value) {
        added = table.add(key, value);
        progress.update(0, ++entries);
        return added.ok();
      });
  if (!listed.ok()) return fail(listed.error(), from->detail(), table.source());
  return added.ok() ? table.finish() : fail(added.error(), {}, table.source());
}

}  // namespace qv::maps::tool
