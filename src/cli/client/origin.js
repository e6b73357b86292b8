/** An address that is an origin and nothing more. Without TLS the code could be read on its way. */
export const ORIGIN = /^(?:https:\/\/[^/@?#\s]+|http:\/\/(?:localhost|127\.0\.0\.1)(?::\d+)?)\/?$/;
