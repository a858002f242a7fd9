// SPDX-License-Identifier: 0BSD
// process/counters.h - the log line that says what a daemon has counted.
//
// A room has a struct of numbers and a table that names them; log lines are written from the table,
// so that a number that is counted is a number that is logged.
//
// Threads: none.  Tests: tests/process/counters_test.cc
#ifndef QV_PROCESS_COUNTERS_H_
#define QV_PROCESS_COUNTERS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "process/log.h"

namespace qv {

// `Number` is what a counter is: a number, or an atomic one where processes share it.
template <class Counters, class Number = std::uint64_t>
struct CounterName {
  std::string_view name;  // the field of the log line: "lookups"
  Number Counters::*member;
  std::string_view help;
};

// Adds a field for each counter that has a name, in the order of the names.
template <class Counters, class Number, std::size_t kCount>
void add_counters(LogLine& line, const Counters& counters,
                  const CounterName<Counters, Number> (&names)[kCount]) {
  for (const CounterName<Counters, Number>& each : names) {
    line.add(each.name, static_cast<std::uint64_t>(counters.*each.member));
  }
}

}  // namespace qv

#endif  // QV_PROCESS_COUNTERS_H_
