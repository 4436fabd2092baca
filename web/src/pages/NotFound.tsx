// An address without a page.
import { Link } from "react-router";
import { PageHead } from "../ui/Page.tsx";
import { Empty } from "../ui/Problem.tsx";

export function NotFound() {
  return (
    <>
      <PageHead title="No such page" />
      <Empty title="There is nothing at this address.">
        <p>
          Go to the <Link to="/">fleet</Link>, or to <Link to="/runs">all runs</Link>.
        </p>
      </Empty>
    </>
  );
}
