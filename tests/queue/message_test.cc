#include "queue/message.h"

#include <gtest/gtest.h>

namespace queue {
namespace {

// It is kept in files, so it must never change.
TEST(HashOfAddress, is_as_the_spool_has_it) {
    EXPECT_EQ(hash_of_address("Ada@them.example"), 0x8b21dd5bu);
}

TEST(HashOfAddress, heeds_the_case_of_the_local_part_only) {
    EXPECT_EQ(hash_of_address("Ada@THEM.eXaMPlE"), hash_of_address("Ada@them.example"));
    EXPECT_NE(hash_of_address("ada@them.example"), hash_of_address("Ada@them.example"));
    EXPECT_NE(hash_of_address("\"A@b\"@them.example"), hash_of_address("\"A@B\"@them.example"));
}

}  // namespace
}  // namespace queue
