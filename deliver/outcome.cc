// SPDX-License-Identifier: 0BSD
#include "deliver/outcome.h"

#include <errno.h>

#include "control/reloaded.h"
#include "core/exit_code.h"

namespace qv::deliver {

namespace {

// In the order of Delivery.
struct Ending {
  const char* name;
  int exit_code;
};
constexpr Ending kEndings[] = {
    {"done", kExitOk}, {"retry", kExitTemporary}, {"refuse", kExitPermanent}};

const Ending& ending_of(Delivery delivery) { return kEndings[static_cast<std::size_t>(delivery)]; }

}  // namespace

Outcome::Outcome(const Error& error) {
  if (error.errnum == EDQUOT || error.errnum == EFBIG) {
    *this = refuse("5.2.2", "mailbox is full");
  } else if (error.errnum == ENOSPC) {
    *this = retry("4.3.1", control::describe(error));
  } else {
    *this = retry(error.fault == Fault::config ? "4.3.5" : "4.3.0", control::describe(error));
  }
}

Outcome done(std::uint64_t bytes) { return {Delivery::done, "2.0.0", "delivered", bytes}; }

Outcome retry(std::string_view code, std::string_view text) {
  return {Delivery::retry, code, text};
}

Outcome refuse(std::string_view code, std::string_view text) {
  return {Delivery::refuse, code, text};
}

Outcome cannot_spool(const Error& error) { return retry("4.3.1", control::describe(error)); }

const char* delivery_name(Delivery delivery) { return ending_of(delivery).name; }

int exit_code(Delivery delivery) { return ending_of(delivery).exit_code; }

}  // namespace qv::deliver
