import com.yahoo.labs.samoa.instances.Attribute;
import com.yahoo.labs.samoa.instances.DenseInstance;
import com.yahoo.labs.samoa.instances.Instances;
import com.yahoo.labs.samoa.instances.InstancesHeader;
import com.yahoo.labs.samoa.instances.MultiLabelInstance;
import com.yahoo.labs.samoa.instances.Prediction;
import com.yahoo.labs.samoa.instances.Range;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import moa.classifiers.AbstractClassifier;
import moa.classifiers.MultiLabelLearner;
import moa.options.ClassOption;

/**
 * Lets a multi-label learner of MOA answer and learn events, one line each. Arguments: learner (as on MOA's command line), number
 * of labels, number of features, seed. A line in: "LABEL LABEL ...;FEATURE:VALUE ...", both by number; a feature not named is 0.
 * The first line out says that it is ready; then there is one for each line in: the numbers of the labels of a vote above 1/2,
 * given before the event is learned.
 */
public class MoaBridge {
    public static void main(String[] arguments) throws Exception {
        int nLabels = Integer.parseInt(arguments[1]);
        int nFeatures = Integer.parseInt(arguments[2]);
        PrintStream out = System.out;
        System.setOut(System.err); // the learners print
        InstancesHeader header = header(nLabels, nFeatures);
        Object made = ClassOption.cliStringToObject(arguments[0], MultiLabelLearner.class, null);
        AbstractClassifier learner = (AbstractClassifier) made;
        learner.setRandomSeed(Integer.parseInt(arguments[3]));
        learner.prepareForUse();
        learner.setModelContext(header);
        out.println("ready");
        out.flush();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            MultiLabelInstance event = read(line, header, nLabels, nFeatures);
            out.println(answer(((MultiLabelLearner) learner).getPredictionForInstance(event), nLabels));
            out.flush();
            learner.trainOnInstance(event);
        }
    }

    private static InstancesHeader header(int nLabels, int nFeatures) {
        List<Attribute> attributes = new ArrayList<>();
        for (int label = 0; label < nLabels; label++) {
            attributes.add(new Attribute("label" + label, List.of("0", "1")));
        }
        for (int feature = 0; feature < nFeatures; feature++) {
            attributes.add(new Attribute("x" + feature));
        }
        Instances instances = new Instances("stream", attributes, 0);
        instances.setRangeOutputIndices(new Range("1-" + nLabels));
        return new InstancesHeader(instances);
    }

    private static MultiLabelInstance read(String line, InstancesHeader header, int nLabels, int nFeatures) {
        double[] values = new double[nLabels + nFeatures];
        String[] halves = line.split(";", -1);
        for (String label : halves[0].isEmpty() ? new String[0] : halves[0].split(" ")) {
            values[Integer.parseInt(label)] = 1.0;
        }
        for (String pair : halves[1].isEmpty() ? new String[0] : halves[1].split(" ")) {
            int colon = pair.indexOf(':');
            values[nLabels + Integer.parseInt(pair.substring(0, colon))] = Double.parseDouble(pair.substring(colon + 1));
        }
        DenseInstance event = new DenseInstance(1.0, values);
        event.setDataset(header);
        return event;
    }

    private static String answer(Prediction prediction, int nLabels) {
        StringBuilder found = new StringBuilder();
        for (int label = 0; prediction != null && label < nLabels; label++) {
            double[] votes = prediction.getVotes(label);
            double all = 0.0;
            for (double vote : votes) {
                all += vote;
            }
            if (votes.length > 1 && 2.0 * votes[1] > all) {
                found.append(found.length() > 0 ? " " : "").append(label);
            }
        }
        return found.toString();
    }
}
