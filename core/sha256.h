// SPDX-License-Identifier: 0BSD
// core/sha256.h - the hash SHA-256 (FIPS 180-4), for names derived from contents.
//
// Threads: none.  No allocation.  Tests: tests/core/sha256_test.cc
#ifndef QV_CORE_SHA256_H_
#define QV_CORE_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace qv {

class Sha256 {
 public:
  Sha256();
  void add(std::string_view bytes);
  // 64 characters of [0-9a-f].  Nothing may be added afterwards.
  [[nodiscard]] std::array<char, 64> hex();

 private:
  void add_block(const unsigned char* block);

  std::array<std::uint32_t, 8> state_;
  std::array<unsigned char, 64> block_{};
  std::size_t used_ = 0;
  std::uint64_t length_ = 0;  // bytes
};

}  // namespace qv

#endif  // QV_CORE_SHA256_H_
