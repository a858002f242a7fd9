// SPDX-License-Identifier: 0BSD
#include "core/sha256.h"

#include <gtest/gtest.h>

#include <string>

namespace qv {
namespace {

std::string hash_in_pieces(std::string_view text, std::size_t piece) {
  Sha256 hash;
  while (!text.empty()) {
    hash.add(text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
  }
  const auto hex = hash.hex();
  return {hex.data(), hex.size()};
}

// The examples of FIPS 180-4, and lengths around the block's.
TEST(Sha256, KnownAnswers) {
  struct Row {
    std::string text;
    const char* hash;
  };
  for (const Row& row :
       {Row{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        Row{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        Row{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        Row{std::string(1000000, 'a'),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{63}, std::size_t{100000}}) {
      EXPECT_EQ(hash_in_pieces(row.text, piece), row.hash);
    }
  }
}

}  // namespace
}  // namespace qv
