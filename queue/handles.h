#pragma once
#include "mta/base/handle.h"
#include "mta/base/handle_set.h"

namespace queue {

// The entries that the queue's memory consists of, and the handles that name them (mta::Handle). A
// function that takes the handle of a domain cannot be called with the handle of a site.

struct MessageEntry;
using MessageHandle = mta::Handle<MessageEntry>;

// The first of the recipients' entries of a message, which lie side by side.
struct RecipientEntry;
using RecipientRun = mta::Handle<RecipientEntry>;

struct DomainEntry;
using DomainHandle = mta::Handle<DomainEntry>;
using DomainSet = mta::HandleSet<DomainHandle>;

struct Bundle;
using BundleHandle = mta::Handle<Bundle>;

// A destination, with all that the queue manager keeps beside it.
class Destination;
using SiteHandle = mta::Handle<Destination>;

// A reverse-path. Empty: the null sender.
struct SenderEntry;
using SenderHandle = mta::Handle<SenderEntry>;

// Senders that share their turns at a destination (sender_group_name()). Empty: the group of the
// null sender.
struct SenderGroupTag;
using SenderGroup = mta::Handle<SenderGroupTag>;

// A failure that recipients have in common, and the texts that failures have in common.
struct ErrorEntry;
using ErrorHandle = mta::Handle<ErrorEntry>;
struct TextEntry;
using TextHandle = mta::Handle<TextEntry>;

// A whole message in memory.
struct MessageCopy;
using CopyHandle = mta::Handle<MessageCopy>;

}  // namespace queue
