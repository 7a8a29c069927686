#include "mta/api/why/recipient_words.h"

#include "mta/base/printable.h"

namespace mta::api {

using outbound::RecipientView;

std::string name_of(const RecipientView& view) {
    return printable(view.address.empty() ? "a recipient at " + view.domain : view.address);
}

std::string destination_of(const RecipientView& view) {
    return printable(view.destination.empty() ? view.domain : view.destination);
}

}  // namespace mta::api
