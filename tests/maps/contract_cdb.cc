// SPDX-License-Identifier: 0BSD
#include "tests/maps/cdb_maker.h"
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public FileContract {
 public:
  Table() : FileContract("cdb", "t", "t.cdb") {
    nul_key = "nul";
    nul_value = std::string("a\0b", 3);
    make_cdb(scratch.path("t.cdb"), {{known_key, known_value}, {nul_key, nul_value}});
    for (const off_t size : {0, 1, 2047, 2048, 2100}) add_truncation(size);
    add_truncation(0, true);
    // Both lengths of the first record, and a character of its key.
    for (const std::size_t byte : {std::size_t{2048}, std::size_t{2052}, std::size_t{2057}}) {
      for (const unsigned bit : {0u, 3u}) add_flip(byte, bit);
    }
    // The last slot of the last hash table that is used.
    add_flip(scratch.read("t.cdb").size() - 1, 0);
  }
};

const RegisterContract registered("cdb", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
