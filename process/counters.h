// SPDX-License-Identifier: 0BSD
// process/counters.h - a daemon's counters, each declared once.
//
// A struct derived from CounterList has a Counter for each thing that it counts.  Each knows its
// name in the log, so that every number that is counted is logged.
//
// Threads: none.  Tests: tests/process/counters_test.cc
#ifndef QV_PROCESS_COUNTERS_H_
#define QV_PROCESS_COUNTERS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/check.h"
#include "process/log.h"

namespace qv::process {

class Counter;

// Counters in the order of their declaration.
class CounterList {
 public:
  CounterList() = default;
  CounterList(const CounterList&) = delete;
  CounterList& operator=(const CounterList&) = delete;

  // Adds a field for each: name and number.
  void add_to(LogLine& line) const;

 private:
  friend Counter;
  Counter* first_ = nullptr;
  Counter* last_ = nullptr;
};

class Counter {
 public:
  // REQUIRES: `list` is the struct that it is a member of.
  Counter(CounterList& list, std::string_view its_name, std::string_view its_help)
      : name(its_name), help(its_help) {
    (list.first_ == nullptr ? list.first_ : list.last_->next_) = this;
    list.last_ = this;
  }
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  void operator++() { ++number_; }
  void operator--() { --number_; }
  void operator+=(std::uint64_t more) { number_ += more; }
  [[nodiscard]] std::uint64_t value() const { return number_; }
  operator std::uint64_t() const { return number_; }  // NOLINT(google-explicit-constructor)

  const std::string_view name;  // the field of the log line: "lookups"
  const std::string_view help;

 private:
  friend CounterList;
  std::uint64_t number_ = 0;
  Counter* next_ = nullptr;
};

inline void CounterList::add_to(LogLine& line) const {
  for (const Counter* each = first_; each != nullptr; each = each->next_) {
    line.add(each->name, each->value());
  }
}

// A counter for each value of an enum that counts from 0.
template <class Enum, std::size_t kCount>
struct CounterArray {
  Counter& operator[](Enum value) {
    QV_CHECK(static_cast<std::size_t>(value) < kCount);
    return each[static_cast<std::size_t>(value)];
  }
  const Counter& operator[](Enum value) const { return const_cast<CounterArray&>(*this)[value]; }

  Counter each[kCount];
};

}  // namespace qv::process

#endif  // QV_PROCESS_COUNTERS_H_
