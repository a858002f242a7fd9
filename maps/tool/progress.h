// SPDX-License-Identifier: 0BSD
// maps/tool/progress.h - a line on the terminal that tells how far a long build is.
//
// Nothing is written where standard error is no terminal, nor in the first second.
#ifndef QV_MAPS_TOOL_PROGRESS_H_
#define QV_MAPS_TOOL_PROGRESS_H_

#include <cstdint>
#include <string>

namespace qv {

class Progress {
 public:
  // `total`: bytes of the source, 0 where nobody knows.
  explicit Progress(std::uint64_t total);
  // Clears the line, if there is one.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap: looks at the clock only every few thousand entries.
  void update(std::uint64_t position, std::uint64_t entries) {
    if ((entries & 4095) == 0) show(position, entries);
  }

 private:
  void show(std::uint64_t position, std::uint64_t entries);

  std::uint64_t total_;
  std::int64_t begun_us_;
  std::int64_t shown_us_ = 0;
  bool terminal_;
};

// "[#####     ]  51 %  1234567 entries  812345/s  0:07 left": what the line says.  `left_s` and
// `percent` below 0 are not known.
[[nodiscard]] std::string progress_line(int percent, std::uint64_t entries,
                                        std::uint64_t per_second, std::int64_t left_s);

}  // namespace qv

#endif  // QV_MAPS_TOOL_PROGRESS_H_
