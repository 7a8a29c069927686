#pragma once
#include <memory>

#include "queue/message.h"
#include "queue/message_table.h"

namespace mta::outbound {

// A message that cannot be read from the disk, as far as it is in memory. In place of the
// recipients' local parts stands "?".
[[nodiscard]] std::shared_ptr<const queue::Message> remembered_message(
    const queue::MessageTable& table, queue::MessageHandle message);

}  // namespace mta::outbound
