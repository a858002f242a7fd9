// SPDX-License-Identifier: 0BSD
#include "maps/table_builder.h"
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public FileContract {
 public:
  Table() : FileContract("lmdb", "t", "t.lmdb") {
    nul_key = "nul";
    nul_value = std::string("a\0b", 3);
    std::string detail;
    Result<std::unique_ptr<TableBuilder>> builder = TableBuilder::begin(
        name(), std::nullopt, Duplicates::keep_first, [](std::string_view) {}, detail);
    EXPECT_TRUE(builder.ok()) << detail;
    EXPECT_TRUE(builder.value()->add(known_key, known_value).ok());
    EXPECT_TRUE(builder.value()->add(nul_key, nul_value).ok());
    EXPECT_TRUE(builder.value()->add("large", std::string(9000, 'v')).ok());
    EXPECT_TRUE(builder.value()->finish(detail).ok()) << detail;
    for (const off_t size : {0, 1, 100, 4096, 8192, 12288}) add_truncation(size);
    add_truncation(0, true);
    add_truncation(8192, true);
    // Magic, page size and root of both meta pages; the one leaf's number, kind and first node.
    for (const std::size_t byte : {16u, 40u, 4096u + 16u, 4096u + 128u}) add_flip(byte, 0);
    const std::size_t leaf = find_leaf();
    for (const std::size_t byte : {leaf, leaf + 10, leaf + 12, leaf + 16}) add_flip(byte, 1);
  }

 private:
  // The page with flags P_LEAF.
  std::size_t find_leaf() const {
    const std::string text = scratch.read("t.lmdb");
    for (std::size_t page = 2 * 4096; page < text.size(); page += 4096) {
      if (text[page + 10] == 2 && text.substr(page, 4096).find("box/") != std::string::npos) {
        return page;
      }
    }
    ADD_FAILURE() << "no leaf";
    return 0;
  }
};

const RegisterContract registered("lmdb", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
