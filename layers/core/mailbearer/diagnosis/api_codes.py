"""The codes of mail APIs (Gmail's reasons, Graph's and Exchange's codes, Zoho Mail's), in lower case.

Sources: Google's "Resolve errors" for the Gmail API and its canonical error model, Microsoft's pages on Graph errors
and Exchange response codes, and answers seen in the wild.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from mailbearer.diagnosis import client_table as client
from mailbearer.diagnosis import mail_table as mail
from mailbearer.diagnosis import table
from mailbearer.diagnosis import transport_table as transport

if TYPE_CHECKING:
    from mailbearer.diagnosis.finding import Diagnosis


def _by_key(*rows: tuple[Diagnosis, str]) -> MappingProxyType[str, Diagnosis]:
    return MappingProxyType({key: diagnosis for diagnosis, keys in rows for key in keys.lower().split()})


GMAIL = _by_key(
    (mail.TOKEN_REJECTED, "authError ACCESS_TOKEN_EXPIRED invalidCredentials expired UNAUTHENTICATED"),
    (mail.TOKEN_UNSUITABLE, "required CREDENTIALS_MISSING ACCESS_TOKEN_TYPE_UNSUPPORTED API_KEY_INVALID keyInvalid"),
    (mail.SCOPE_MISSING, "insufficientPermissions ACCESS_TOKEN_SCOPE_INSUFFICIENT insufficientScopes"),
    (mail.API_DISABLED, "accessNotConfigured SERVICE_DISABLED API_DISABLED CONSUMER_INVALID CONSUMER_SUSPENDED"),
    (mail.DOMAIN_POLICY, "domainPolicy ORG_RESTRICTION_VIOLATION accountDisabled"),
    (mail.PROJECT_QUOTA, "dailyLimitExceeded quotaExceeded dailyLimitExceededUnreg QUOTA_EXCEEDED BILLING_DISABLED"),
    (mail.THROTTLED, "userRateLimitExceeded rateLimitExceeded RATE_LIMIT_EXCEEDED concurrentLimitExceeded"),
    (mail.THROTTLED, "userRateLimitExceededUnreg servingLimitExceeded RESOURCE_EXHAUSTED limitExceeded"),
    (mail.MAILBOX_UNAVAILABLE, "failedPrecondition FAILED_PRECONDITION accountDeleted notFound NOT_FOUND"),
    (mail.USER_ID, "forbidden"),
    (mail.MESSAGE_REJECTED, "badRequest invalidArgument INVALID_ARGUMENT invalid invalidParameter OUT_OF_RANGE"),
    (mail.REQUEST_MALFORMED, "parseError unknownApi invalidQuery wrongUrlForUpload contentRequired methodNotAllowed"),
    (mail.REQUEST_MALFORMED, "httpMethodNotAllowed mediaBodyRequired unsupportedMediaType requiredParameter"),
    (mail.TOO_LARGE, "uploadTooLarge requestTooLarge"),
    (mail.CONFLICT, "conflict ABORTED aborted"),
    (mail.MAILBOX_DENIED, "PERMISSION_DENIED"),
    (mail.SERVER_ERROR, "backendError internalError INTERNAL UNAVAILABLE UNKNOWN DEADLINE_EXCEEDED"),
)

GRAPH = _by_key(
    (
        mail.TOKEN_REJECTED,
        "InvalidAuthenticationToken TokenExpired AuthenticationError unauthenticated ErrorTokenExpired",
    ),
    (mail.TOKEN_REJECTED, "Unauthorized Authentication_ExpiredToken InvalidMsaTicket AuthenticationFailed"),
    (mail.TOKEN_UNSUITABLE, "InvalidAudience ErrorInvalidToken AuthenticationMissing Authentication_Unauthorized"),
    (mail.APP_PERMISSIONS, "NoPermissionsInAccessToken"),
    (
        mail.CLAIMS_CHALLENGE,
        "insufficient_claims TokenCreatedWithOutdatedPolicies TokenIssuedBeforeRevocationTimestamp",
    ),
    (mail.SCOPE_MISSING, "insufficient_scope"),
    (mail.MAILBOX_DENIED, "ErrorAccessDenied Authorization_RequestDenied AccessDenied Forbidden accessRestricted"),
    (
        mail.MAILBOX_DENIED,
        "ErrorImpersonationDenied ErrorImpersonateUserDenied ErrorNotDelegate ErrorPermissionNotGranted",
    ),
    (mail.SEND_AS, "ErrorSendAsDenied ErrorSendOnBehalfOfDenied ErrorCannotSendOnBehalf"),
    (mail.MAILBOX_UNAVAILABLE, "MailboxNotEnabledForRESTAPI MailboxNotSupportedForRESTAPI ResourceNotFound"),
    (mail.MAILBOX_UNAVAILABLE, "ErrorNonExistentMailbox MailboxNotHostedInExchangeOnline ErrorMissingEmailAddress"),
    (mail.MAILBOX_UNAVAILABLE, "OrganizationFromTenantGuidNotFound ErrorMailboxNotFound ErrorNoLicense"),
    (mail.MAILBOX_UNKNOWN, "Request_ResourceNotFound ErrorInvalidUser ErrorUserNotFound itemNotFound notFound"),
    (mail.MAILBOX_UNKNOWN, "Authorization_IdentityNotFound Directory_ObjectNotFound"),
    (table.ACCOUNT, "ErrorAccountDisabled"),
    (table.PASSWORD, "ErrorPasswordExpired ErrorPasswordChangeRequired"),
    (mail.SENDING_BLOCKED, "ErrorMessageSubmissionBlocked ErrorAccountSuspend ErrorAccountSuspendShowTierUpgrade"),
    (mail.SENDING_BLOCKED, "ErrorMessageBlocked"),
    (
        mail.DAILY_LIMIT,
        "ErrorExceededMessageLimit ErrorExceededMessageLimitShowTierUpgrade ErrorSubmissionQuotaExceeded",
    ),
    (
        mail.DAILY_LIMIT,
        "ErrorExceededMaxRecipientLimit ErrorExceededMaxRecipientLimitShowTierUpgrade RecipientRateLimitExceeded",
    ),
    (mail.DAILY_LIMIT, "ErrorSendQuotaExceeded"),
    (mail.MAILBOX_FULL, "ErrorQuotaExceeded ErrorMailboxQuotaExceeded quotaLimitReached insufficientStorage"),
    (
        mail.THROTTLED,
        "ApplicationThrottled ActivityLimitReached TooManyRequests MailboxConcurrency CommandConcurrencyLimitReached",
    ),
    (
        mail.THROTTLED,
        "ErrorTooManyObjectsOpened ErrorExceededConnectionCount ErrorMessageThrottled ErrorMailboxConcurrency",
    ),
    (
        mail.THROTTLED,
        "ErrorExceededHourlyMessageLimit throttledRequest ErrorExceededSubscriptionCount RequestThrottled",
    ),
    (mail.THROTTLED, "Directory_ConcurrencyViolation ErrorMessageTransientError"),
    (mail.SERVER_BUSY, "ErrorServerBusy ServerBusy"),
    (mail.SERVER_ERROR, "UnknownError ErrorInternalServerError ErrorInternalServerTransientError ErrorTimeoutExpired"),
    (
        mail.SERVER_ERROR,
        "ErrorMailboxStoreUnavailable ServiceUnavailable ServiceNotAvailable GatewayTimeout generalException",
    ),
    (
        mail.SERVER_ERROR,
        "InternalServerError ErrorMailboxMoveInProgress ErrorMessageTimeout UnknownErrorInternal timeout",
    ),
    (mail.RECIPIENT, "ErrorInvalidRecipients ErrorInvalidSmtpAddress ErrorRecipientNotFound ErrorInvalidRecipient"),
    (mail.RECIPIENT, "ErrorUnresolvedRecipients ErrorNameResolutionNoResults"),
    (mail.TOO_MANY_RECIPIENTS, "ErrorExceededMaxRecipients ErrorTooManyRecipients"),
    (
        mail.TOO_LARGE,
        "ErrorMessageSizeExceeded ErrorAttachmentSizeLimitExceeded ErrorItemSizeExceeded ErrorMessageTooBig",
    ),
    (mail.TOO_LARGE, "ErrorAttachmentSizeShouldNotExceedLimit ErrorMimeContentTooLarge ErrorContentSizeExceeded"),
    (mail.REQUEST_TOO_LARGE, "RequestEntityTooLarge PayloadTooLarge MaximumRequestLengthExceeded RequestTooLarge"),
    (mail.MESSAGE_REJECTED, "ErrorMimeContentInvalid ErrorMimeContentConversionFailed ErrorMissingRecipients"),
    (mail.MESSAGE_REJECTED, "ErrorInvalidInternetHeaderName InvalidInternetMessageHeader ErrorInvalidPropertySet"),
    (mail.MESSAGE_REJECTED, "ErrorSubmissionFailed ErrorInvalidAttachment ErrorSendMeetingFailed"),
    (mail.CONTENT, "ErrorVirusDetected ErrorVirusMessageDeleted ErrorContentBlocked malwareDetected"),
    (mail.REQUEST_MALFORMED, "ErrorMimeContentInvalidBase64String ErrorInvalidRequest RequestBodyRead BadRequest"),
    (mail.REQUEST_MALFORMED, "UnableToDeserializePostBody ErrorInvalidArgument ErrorSchemaValidation invalidRequest"),
    (mail.REQUEST_MALFORMED, "Request_BadRequest ErrorInvalidIdMalformed ErrorInvalidUrlQuery ErrorInvalidOperation"),
    (mail.REQUEST_MALFORMED, "ErrorPropertyValidationFailure ErrorInvalidPropertyForOperation notSupported notAllowed"),
    (mail.CONFLICT, "ErrorIrresolvableConflict ErrorItemSave resourceModified"),
    # Zoho Mail.
    (mail.TOKEN_REJECTED, "INVALID_OAUTHTOKEN INVALID_TOKEN AUTHENTICATION_FAILURE"),
    (mail.TOKEN_UNSUITABLE, "INVALID_TICKET"),
    (mail.SCOPE_MISSING, "OAUTH_SCOPE_MISMATCH INVALID_OAUTHSCOPE"),
    (
        mail.REQUEST_MALFORMED,
        "URL_RULE_NOT_CONFIGURED INVALID_METHOD PATTERN_NOT_MATCHED JSON_PARSE_ERROR EXTRA_PARAM_FOUND",
    ),
    (mail.THROTTLED, "URL_ROLLING_THROTTLES_LIMIT_EXCEEDED ACCOUNT_ROLLING_THROTTLES_LIMIT_EXCEEDED"),
)

# Words that Exchange puts into a Graph message, and that SMTP replies share (see `smtp_codes`), are looked up there.

# Google has one reason for a mailbox without Gmail and for a service account without a user, and one for a bad message
# and a bad request; Graph has one code for an expired token and for no token. Only the fixed text tells them apart.
MARKERS: tuple[tuple[Diagnosis, str, Diagnosis], ...] = (
    (mail.MAILBOX_UNAVAILABLE, "bad request", mail.SUBJECT_MISSING),
    (mail.MESSAGE_REJECTED, "'raw' rfc822", mail.REQUEST_MALFORMED),
    (mail.MESSAGE_REJECTED, "base64", mail.REQUEST_MALFORMED),
    (mail.TOKEN_REJECTED, "parsing failed", mail.TOKEN_UNSUITABLE),
    (mail.TOKEN_REJECTED, "not well formed", mail.TOKEN_UNSUITABLE),
    (mail.TOKEN_REJECTED, "idx12741", mail.TOKEN_UNSUITABLE),
    (mail.TOKEN_REJECTED, "idx14100", mail.TOKEN_UNSUITABLE),
    (mail.TOKEN_REJECTED, "idx12729", mail.TOKEN_UNSUITABLE),
    (mail.TOKEN_REJECTED, "invalid audience", mail.TOKEN_UNSUITABLE),
    (mail.TOKEN_REJECTED, "access token is empty", mail.TOKEN_UNSUITABLE),
    (mail.TOKEN_REJECTED, "tokenissuedbeforerevocationtimestamp", mail.CLAIMS_CHALLENGE),
    (mail.TOKEN_REJECTED, "tokencreatedwithoutdatedpolicies", mail.CLAIMS_CHALLENGE),
    (mail.REQUEST_MALFORMED, "maximum request length exceeded", mail.REQUEST_TOO_LARGE),
    (mail.USER_ID, "rate limit", mail.THROTTLED),
)

STATUSES = MappingProxyType(
    {
        307: transport.REDIRECTED,
        308: transport.REDIRECTED,
        400: mail.MESSAGE_REJECTED,
        401: mail.TOKEN_REJECTED,
        403: mail.MAILBOX_DENIED,
        404: mail.MAILBOX_UNAVAILABLE,
        405: client.ENDPOINT,
        407: mail.MAILBOX_DENIED,
        408: mail.THROTTLED,
        409: mail.CONFLICT,
        410: mail.MAILBOX_UNAVAILABLE,
        411: mail.REQUEST_MALFORMED,
        413: mail.REQUEST_TOO_LARGE,
        415: mail.REQUEST_MALFORMED,
        421: client.ENDPOINT,
        423: mail.MAILBOX_DENIED,
        425: mail.THROTTLED,
        429: mail.THROTTLED,
        451: mail.MAILBOX_DENIED,
        507: mail.MAILBOX_FULL,
        509: mail.THROTTLED,
    }
)
