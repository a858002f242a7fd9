// SPDX-License-Identifier: 0BSD
#include "process/worker.h"

#include <errno.h>
#include <poll.h>

namespace qv::process {

namespace {

// False where nothing was readable for that long.
bool wait_for_input(const Fd& socket, std::int64_t limit_us) {
  pollfd watch{socket.get(), POLLIN, 0};
  const int ready = poll(&watch, 1, static_cast<int>(limit_us / 1000));
  return ready > 0 || (ready < 0 && errno == EINTR);
}

}  // namespace

void serve_requests(const Fd& socket, const Work& work, const Idling& idling) {
  for (;;) {
    if (idling.after_us >= 0 && !wait_for_input(socket, idling.after_us)) {
      idling.then();
      continue;
    }
    Result<Message> request = receive_message(socket, Waiting::allowed);
    if (!request.ok()) return;
    const std::optional<Message> answer = work(request.value());
    if (!answer) return;
    request.value().file.reset();  // closed before the requester sees the answer
    const Result<void> sent = send_message(socket, request.value().kind, request.value().serial,
                                           answer->body, answer->file.get(), Waiting::allowed);
    if (!sent.ok()) return;
  }
}

}  // namespace qv::process
