/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control protocol: a stream socket in the file system, JSON lines both ways.
 *
 *	request   {"mx":1,"do":"status"}
 *	answer    {"mx":1,"ok":true,...}          or
 *{"mx":1,"ok":false,"error":"TEXT","code":"CODE"}
 *
 * Each request gets one answer, in order. "mx" is the version of the protocol; an engine refuses
 * one that it does not know, and says which it knows. After {"do":"events","follow":true} the
 * answer is followed by events, each a line as in the event log, until the client hangs up or the
 * run ends; {"event":"lost","count":N} stands where a reader was too slow.
 * A request is at most CTL_REQUEST_MAX bytes long.
 */
#ifndef MX_CTL_WIRE_H
#define MX_CTL_WIRE_H

#define CTL_PROTOCOL	1
#define CTL_REQUEST_MAX 4096
#define CTL_ANSWER_MAX	(8u << 20)

/* Values of "code". */
#define CTL_CODE_BAD	 "bad-request" /* not a request of this protocol */
#define CTL_CODE_VERSION "protocol"    /* another version of it */
#define CTL_CODE_REFUSED "refused"     /* cannot be done in this state; the text says why */

#endif
