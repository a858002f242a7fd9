// SPDX-License-Identifier: 0BSD
#include "helper/worker.h"

#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>

#include "core/exit_code.h"
#include "helper/become_owner.h"
#include "helper/channel.h"
#include "helper/passwd.h"
#include "maps/cdb_file.h"

namespace qv::helper {

namespace {

// One byte more than a request has: a longer message is noticed.
using Buffer = std::array<char, sizeof(Request) + 1>;

// A request that is refused still says which one it was.
std::uint64_t serial_of(std::string_view message) {
  std::uint64_t serial = 0;
  memcpy(&serial, message.data() + offsetof(Request, serial), sizeof serial);
  return serial;
}

Finding answer(std::string_view message, const KeeperSettings& settings) {
  Result<Request> request = validate(message);
  Finding result =
      request.ok() ? carry_out(request.value(), settings) : fault_finding(request.error());
  result.response.serial = serial_of(message);
  return result;
}

}  // namespace

Finding carry_out(const Request& request, const KeeperSettings& settings) {
  switch (request.op) {
    case Op::passwd_index: {
      const AsOwner account(settings.account_uid, settings.account_gid);
      return index_passwd(request, settings.passwd_path.c_str());
    }
    case Op::passwd_user: {
      const AsOwner account(settings.account_uid, settings.account_gid);
      return find_passwd_user(request);
    }
    case Op::home_index:
      return look_at_home(request, ListLimits{});
    case Op::home_file:
      return look_at_file(request);
    case Op::home_table:
      return look_into_table(request);
  }
  return fault_finding(Error{Fault::denied, 0, ""});
}

void run_worker(const Fd& socket, const KeeperSettings& settings) {
  prctl(PR_SET_NAME, "qv-worker");
  guard_against_truncation();
  for (;;) {
    Buffer buffer;
    Result<Received> received = receive_message(socket, buffer, Waiting::allowed);
    if (!received.ok() || received.value().size == 0) _exit(kExitOk);
    // The front never sends anything else: whoever does is not the front.
    if (received.value().size != sizeof(Request)) _exit(kExitTemporary);
    const Finding result = answer({buffer.data(), sizeof(Request)}, settings);
    const Result<void> sent =
        send_message(socket, as_bytes(result.response), result.file.get(), Waiting::allowed);
    if (!sent.ok()) _exit(kExitOk);
  }
}

}  // namespace qv::helper
