#include "dns/edns_support.h"

namespace dns {
namespace {

enum Rcode : unsigned { formerr = 1, notimp = 4, refused = 5 };

bool may_be_for_edns(unsigned rcode) {
    return rcode == formerr || rcode == notimp || rcode == refused;
}

}  // namespace

bool EdnsSupport::is_to_be_used(mta::Instant now) const {
    return !without_until_ || now >= *without_until_;
}

bool EdnsSupport::is_worth_another_try(unsigned rcode) const {
    return may_be_for_edns(rcode) && !(rcode == refused && has_answered_);
}

void EdnsSupport::on_answer(unsigned rcode) {
    if (may_be_for_edns(rcode)) return;
    has_answered_ = true;
    cures_in_a_row_ = 0;
    without_until_.reset();
}

void EdnsSupport::on_answer_without(unsigned rcode, mta::Instant now) {
    if (!may_be_for_edns(rcode) && ++cures_in_a_row_ >= cures_max)
        without_until_ = now + without_for;
}

}  // namespace dns
