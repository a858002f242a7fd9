// SPDX-License-Identifier: 0BSD
// wire/frame.h - what a look at the bytes of a stream can find.
//
// Every codec for a stream answers with one of these.  The caller keeps the bytes that have arrived
// and not been consumed, shows them again when more have come, and drops a peer that is malformed.
#ifndef QV_WIRE_FRAME_H_
#define QV_WIRE_FRAME_H_

#include <cstdint>

namespace qv {

enum class Frame : std::uint8_t {
  whole,      // one message is there; the codec says how many bytes it is
  partial,    // so far nothing is wrong, and more must come
  malformed,  // no continuation can make this a message, or it breaks a limit
};

}  // namespace qv

#endif  // QV_WIRE_FRAME_H_
