/** Sentences that the API wrote: backticks mark code, times are shown in the reader's zone, and names lead to what they name. */

import { Fragment, type ReactNode } from "react";
import { Link } from "wouter";
import { partsOf } from "../model/sentence";
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
