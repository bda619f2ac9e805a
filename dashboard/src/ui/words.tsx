/** Sentences that the API wrote: backticks mark code, times are shown in the reader's zone, and names lead to what they name. */

import { Fragment, type ReactNode } from "react";
import { Link } from "wouter";
import { partsOf, timesIn } from "../model/sentence";
import { formatTime, formatUtc } from "../model/time";
import { Time } from "./page";

/** Words of a sentence, and the address of what they name. */
export interface Named {
  words: string;
  href: string;
}

export function Sentence({ text, named = [] }: { text: string; named?: readonly Named[] | undefined }) {
  return partsOf(text, named.map(({ words }) => words)).map((part, index): ReactNode => {
    switch (part.kind) {
      case "time":
        return <Time key={index} at={part.at} form="full" />;
      case "day":
        // Which of the reader's days it is depends on an hour that is not told.
        return <time key={index} className="nowrap" dateTime={part.text} title={`${part.text} in UTC`}>{part.text}</time>;
      case "code":
        return <code key={index}>{part.text}</code>;
      case "name":
        return <Link key={index} href={named.find(({ words }) => words === part.text)?.href ?? ""}>{part.text}</Link>;
      case "text":
        return <Fragment key={index}>{part.text}</Fragment>;
    }
  });
}

/**
 * What somebody else wrote: a Worker's log, a record. It stays as it is, letter by letter, for those who search and copy it; behind each time
 * stands the same one in the reader's zone, which is not a part of the text.
 */
export function Written({ text }: { text: string }) {
  return timesIn(text).map((part, index) => part.kind === "text" ? <Fragment key={index}>{part.text}</Fragment> : (
    <time key={index} className="written" dateTime={new Date(part.at).toISOString()} title={formatUtc(part.at)} data-local={formatTime(part.at, "precise")}>{part.text}</time>
  ));
}
