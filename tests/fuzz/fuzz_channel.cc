// SPDX-License-Identifier: 0BSD
// What a process of ours would take from a peer that was taken over: packets of any bytes.
#include <sys/socket.h>

#include <cstdint>
#include <cstdlib>

#include "process/channel.h"
#include "process/spawner.h"

namespace {

using namespace qv;

void require(bool condition) {
  if (!condition) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const process::Channel channel = process::open_channel().value();
  for (const bool as_news : {false, true}) {
    if (send(channel.ours.get(), data, size, MSG_DONTWAIT) < 0) return 0;
    if (as_news) {
      static_cast<void>(process::receive_news(channel.theirs).ok());
      continue;
    }
    const Result<process::Message> message =
        process::receive_message(channel.theirs, process::Waiting::never);
    if (!message.ok()) {
      require(message.error().fault == Fault::protocol || size == 0);
      continue;
    }
    require(!message.value().file.valid() && message.value().body.size() < size);
  }
  return 0;
}
