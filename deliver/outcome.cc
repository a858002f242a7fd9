// SPDX-License-Identifier: 0BSD
#include "deliver/outcome.h"

#include <errno.h>
#include <string.h>

#include "core/exit_code.h"

namespace qv {

namespace {

std::string describe(const Error& error) {
  if (error.errnum == 0) return error.what;
  return std::string(error.what) + ": " + strerror(error.errnum);
}

}  // namespace

Outcome::Outcome(const Error& error) {
  if (error.errnum == EDQUOT || error.errnum == EFBIG) {
    *this = refuse("5.2.2", "mailbox is full");
  } else if (error.errnum == ENOSPC) {
    *this = retry("4.3.1", describe(error));
  } else {
    *this = retry(error.fault == Fault::config ? "4.3.5" : "4.3.0", describe(error));
  }
}

Outcome done(std::uint64_t bytes) { return {Delivery::done, "2.0.0", "delivered", bytes}; }

Outcome retry(std::string_view code, std::string_view text) {
  return {Delivery::retry, code, text};
}

Outcome refuse(std::string_view code, std::string_view text) {
  return {Delivery::refuse, code, text};
}

Outcome cannot_spool(const Error& error) { return retry("4.3.1", describe(error)); }

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

}  // namespace qv
