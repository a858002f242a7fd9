// SPDX-License-Identifier: 0BSD
// core/result.h - the outcome of an operation that can fail.
//
// Each kind of outcome has a type of its own.  Expected alternatives of the domain (found or
// absent; valid, not valid or undecided) are closed enums and never errors.  A failure is the Error
// of a Result<T>.  A bug is QV_CHECK.
//
// Absence is never a Fault and a Fault is never absence.
//
// Links without the C++ runtime.  Tests: tests/core/result_test.cc
#ifndef QV_CORE_RESULT_H_
#define QV_CORE_RESULT_H_

#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/check.h"

namespace qv {

// The kind of a failure, which decides its consequence.
enum class Fault : std::uint8_t {
  retry,     // try again later: the client gets a temporary answer
  config,    // the operator must act; until then, as retry
  denied,    // this request is not allowed: refuse it
  protocol,  // the peer violates the protocol: drop it
};

// `what` is a static text that names the operation ("open", "table header"); `errnum` its errno, or
// 0.
struct Error {
  Fault fault = Fault::retry;
  int errnum = 0;
  const char* what = "";
};

// A T or an Error.  value() of an Error and error() of a value abort: check ok() first.
template <class T>
class [[nodiscard]] Result {
  static_assert(!std::is_same_v<T, bool>, "if (result) reads as the answer: use an enum");
  static_assert(!std::is_reference_v<T>);

 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error) : error_(error) {}         // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return value_.has_value(); }
  [[nodiscard]] T& value() & {
    QV_CHECK(value_.has_value());
    return *value_;
  }
  [[nodiscard]] const T& value() const& {
    QV_CHECK(value_.has_value());
    return *value_;
  }
  [[nodiscard]] T&& value() && {
    QV_CHECK(value_.has_value());
    return std::move(*value_);
  }
  [[nodiscard]] const Error& error() const {
    QV_CHECK(!value_.has_value());
    return error_;
  }

 private:
  std::optional<T> value_;
  Error error_;
};

// Done, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : failed_(true), error_(error) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return !failed_; }
  [[nodiscard]] const Error& error() const {
    QV_CHECK(failed_);
    return error_;
  }

 private:
  bool failed_ = false;
  Error error_;
};

}  // namespace qv

#define QV_CONCAT2_(a, b) a##b
#define QV_CONCAT_(a, b) QV_CONCAT2_(a, b)

// QV_TRY(Fd file, open_read(path));  -- on failure returns the Error from the enclosing function.
// Several statements, which deliberately do not compile as the unbraced body of an if.
#define QV_TRY(decl, expr)                        \
  auto QV_CONCAT_(qv_try_, __LINE__) = (expr);    \
  if (!QV_CONCAT_(qv_try_, __LINE__).ok()) {      \
    return QV_CONCAT_(qv_try_, __LINE__).error(); \
  }                                               \
  decl = std::move(QV_CONCAT_(qv_try_, __LINE__)).value()

// QV_TRY_VOID(write_all(fd, bytes));  -- the same for Result<void>.
#define QV_TRY_VOID(expr)                                \
  do {                                                   \
    auto qv_try_void_ = (expr);                          \
    if (!qv_try_void_.ok()) return qv_try_void_.error(); \
  } while (false)

#endif  // QV_CORE_RESULT_H_
