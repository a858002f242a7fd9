// SPDX-License-Identifier: 0BSD
#include "deliver/outcome.h"

#include <errno.h>
#include <string.h>

#include "core/exit_code.h"
#include "core/fault.h"

namespace qv {

Outcome done(std::uint64_t bytes) { return {Delivery::done, "2.0.0", "delivered", bytes}; }

Outcome retry(std::string_view code, std::string_view text) {
  return {Delivery::retry, std::string(code), std::string(text), 0};
}

Outcome refuse(std::string_view code, std::string_view text) {
  return {Delivery::refuse, std::string(code), std::string(text), 0};
}

Outcome outcome_from_errno(int errnum, std::string_view doing) {
  if (errnum == EDQUOT || errnum == EFBIG) return refuse("5.2.2", "mailbox is full");
  const std::string text = std::string(doing) + ": " + strerror(errnum);
  if (errnum == ENOSPC) return retry("4.3.1", text);
  return retry(fault_from_errno(errnum) == Fault::config ? "4.3.5" : "4.3.0", text);
}

Outcome outcome_from(const Error& error) {
  if (error.errnum != 0) return outcome_from_errno(error.errnum, error.what);
  return retry(error.fault == Fault::config ? "4.3.5" : "4.3.0", error.what);
}

Outcome cannot_spool(const Error& error) {
  if (error.errnum == 0) return retry("4.3.1", error.what);
  return retry("4.3.1", std::string(error.what) + ": " + strerror(error.errnum));
}

const char* delivery_name(Delivery delivery) {
  switch (delivery) {
    case Delivery::done:
      return "done";
    case Delivery::retry:
      return "retry";
    case Delivery::refuse:
      return "refuse";
  }
  return "retry";
}

int exit_code(Delivery delivery) {
  switch (delivery) {
    case Delivery::done:
      return kExitOk;
    case Delivery::retry:
      return kExitTemporary;
    case Delivery::refuse:
      return kExitPermanent;
  }
  return kExitTemporary;
}

Delivery worse(Delivery a, Delivery b) {
  if (a == Delivery::retry || b == Delivery::retry) return Delivery::retry;
  if (a == Delivery::refuse || b == Delivery::refuse) return Delivery::refuse;
  return Delivery::done;
}

}  // namespace qv
