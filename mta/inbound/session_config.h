#pragma once
#include <memory>

#include "conf/settings.h"
#include "mta/inbound/access_policy.h"
#include "mta/smtp/server/server_session.h"

namespace mta::inbound {

// One version of the settings, as SMTP sessions need it. A session keeps the version that it began
// with.
struct SessionConfig {
    explicit SessionConfig(std::shared_ptr<const conf::Settings> from);

    std::shared_ptr<const conf::Settings> settings;
    smtp::ServerOptions options;
    AccessPolicy policy;
};

}  // namespace mta::inbound
