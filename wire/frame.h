// SPDX-License-Identifier: 0BSD
// wire/frame.h - the result of looking for a message in the bytes of a stream.
//
// The caller of a codec holds the bytes that are not consumed yet, passes them again when more have
// arrived, and drops a peer whose message is malformed.
#ifndef QV_WIRE_FRAME_H_
#define QV_WIRE_FRAME_H_

#include <cstdint>

namespace qv::wire {

enum class Frame : std::uint8_t {
  whole,      // there is one message; the codec gives its size
  partial,    // nothing is wrong so far, and more must arrive
  malformed,  // no continuation can make this a message, or it breaks a limit
};

}  // namespace qv::wire

#endif  // QV_WIRE_FRAME_H_
